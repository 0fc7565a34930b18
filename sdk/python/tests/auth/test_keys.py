import pytest

from thaw import Thaw, ThawError


def test_keys_are_made_used_and_revoked(thaw: Thaw) -> None:
    made = thaw.keys.create("reader", ["read"], expires_in_s=3600)
    assert made.info.scopes == ["read"]
    assert "reader" in {key.name for key in thaw.keys.list()}
    with Thaw(thaw._http.server, api_key=made.secret) as reader:
        assert list(reader.vms.list()) == []
        with pytest.raises(ThawError) as raised:
            reader.vms.create("python")
        assert (raised.value.code, raised.value.status) == ("forbidden", 403)
        thaw.keys.revoke("reader")
        with pytest.raises(ThawError) as raised:
            list(reader.vms.list())
        assert (raised.value.code, raised.value.status) == ("unauthorized", 401)


def test_streams_and_websockets_show_the_key(thaw: Thaw) -> None:
    with thaw.vms.create("python", start_timeout=120) as vm:
        assert vm.exec("echo hi").stdout == "hi\n"
        with vm.terminal(command="exit 4") as terminal:
            assert terminal.wait().exit_code == 4
        with Thaw(thaw._http.server, api_key="thaw_nonsense") as stranger, pytest.raises(ThawError) as raised:
            stranger._http.json("GET", f"/v1/vms/{vm.id}")
        assert raised.value.status == 401
