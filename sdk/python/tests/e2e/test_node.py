from thaw import Thaw


def test_what_a_node_keeps_is_told(thaw: Thaw) -> None:
    template = thaw.templates.ensure("python")
    assert template.id in {each.id for each in thaw.templates.list()}
    assert thaw.templates.get(template.id).memory_mib == template.memory_mib == 256
    assert "python" in {name for image in thaw.images.list() for name in image.names}
    assert thaw.images.get("python").digest == template.image
    pool = thaw.pools.set("python", minimum=1, maximum=2, idle=60)
    assert (pool.min, pool.max, pool.idle_ms) == (1, 2, 60_000)
    assert pool.template in {each.template for each in thaw.pools.list()}
    assert thaw.ready()["ready"]
