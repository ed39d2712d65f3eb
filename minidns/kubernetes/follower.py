"""A View at work, shared by the Corefile before and after a reload.

What is known of a cluster outlives the reload of a Corefile that follows it in the same
way: names do not vanish because the API server cannot be reached just then, and nothing
is listed again.
"""

from dataclasses import replace

from minidns.kubernetes.options import Options
from minidns.kubernetes.watcher import View
from minidns.system.tasks import Tasks


class Follower:
    """Runs a View as long as at least one server block uses it."""

    def __init__(self, view: View, tasks: Tasks) -> None:
        self.view = view
        self._tasks = tasks
        self._users = 0
        self._runs = False

    def follows(self, options: Options) -> bool:
        """Return whether a block with ``options`` can use the View."""
        return watched(self.view.options) == watched(options)

    def start(self) -> None:
        """Follow the cluster on behalf of one more block.

        Raises:
            ConfigError: no such file, context or service account.

        """
        if not self._runs:
            self.view.connect()
            self.view.start()
            self._runs = True
        self._users += 1

    async def stop(self) -> None:
        """Do without one of the blocks; without the last of them, end."""
        self._users -= 1
        if not self._users:
            await self._tasks.stop()


def watched(options: Options) -> Options:
    """Return ``options`` without those that matter to answers alone."""
    return replace(
        options,
        zones=(),
        ttl=0,
        fallthrough=(),
        endpoint_pod_names=False,
        ignore_empty=False,
        ede=False,
    )
