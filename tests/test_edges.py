import gc

from minidns.edges import settle


def test_what_stays_is_not_visited_again_and_rings_are_given_back() -> None:
    class Ring:
        def __init__(self) -> None:
            self.me = self

    freed: list[str] = []
    gc.collect()
    before = gc.get_freeze_count()
    try:
        stays = [[number] for number in range(1000)]
        Ring().__dict__["told"] = type(
            "Told", (), {"__del__": lambda _: freed.append("ring")}
        )()
        settle()
        assert freed == ["ring"]
        assert gc.get_freeze_count() >= before + len(stays)
        visited = {id(each) for each in gc.get_objects()}
        assert visited.isdisjoint(map(id, stays))
    finally:
        gc.unfreeze()
