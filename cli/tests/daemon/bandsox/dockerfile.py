"""A VM out of a Dockerfile, by BandSox's own client.

usage: dockerfile.py SERVER_URL DOCKERFILE
"""

import sys

from bandsox.core import BandSox

bs = BandSox(sys.argv[1], timeout=300)
vm = bs.create_vm_from_dockerfile(
    sys.argv[2], tag="built:1", name="built", mem_mib=128, env_vars={"SHAPE": "round"}, metadata={"team": "a"})
assert vm.wait_for_agent()
info = vm.get_info()
assert (info["name"], info["metadata"], info["status"]) == ("built", {"team": "a"}, "running"), info
out = []
assert vm.exec_command('echo "$COLOUR $SHAPE"; cat /etc/motd', on_stdout=out.append) == 0
assert out == ["green round\nfrom the base\n"], out
# The same Dockerfile once more is the same image.
again = bs.create_vm_from_dockerfile(sys.argv[2], tag="built:1", name="again", mem_mib=128)
assert again.exec_command("true") == 0
again.delete()
vm.delete()
with open(sys.argv[2], "w") as file:
    file.write("FROM nothing-of-this-name:1\n")
try:
    bs.create_vm_from_dockerfile(sys.argv[2], tag="bad:1")
except Exception as error:
    assert "nothing-of-this-name" in str(error), error
else:
    raise AssertionError("an unknown base was taken")
print("all right")
