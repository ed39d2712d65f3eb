"""The 48 faults of an API server by their numbers, and which tests show what comes of each.

Each has a test of its own in ``test_faults_*.py`` beside this file, named by its number:
the plugin follows the simulated API server over HTTP, is asked throughout, and in the
end answers what the server has. The others listed show the parts by themselves.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


FAULTS: dict[int, tuple[str, ...]] = {
    1: (
        "a watch ends cleanly",
        "kube/test_reflector.py::test_contract[F1-a-clean-end-watches-on-without-list-or-wait]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F1-watch-ends]",
        "kube/test_reflector_http.py::test_f1_no_list_in_twenty_ends",
    ),
    2: (
        "a reset in mid-stream",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F2-reset]",
        "kube/test_reflector.py::test_contract[F2-a-reset-watches-on-from-the-last-version]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F2-reset]",
    ),
    3: (
        "half-open, without a FIN",
        "kube/test_client.py::test_f3_a_dead_peer_is_noticed_by_the_kernel_within_30_s",
        "kube/test_listwatch_watch.py::test_f3_f4_silence_ends_a_watch_without_an_error",
    ),
    4: (
        "a frozen server",
        "kube/test_listwatch.py::test_deadlines[F4-list]",
        "kube/test_listwatch.py::test_deadlines[F4-watch]",
        "kube/test_listwatch_watch.py::test_f3_f4_silence_ends_a_watch_without_an_error",
    ),
    5: (
        "410 in the stream",
        "kube/test_decode.py::test_error_events[F5-410-expired]",
        "kube/test_decode.py::test_error_events[F5-410-gone]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F5-410-event]",
        "kube/test_reflector.py::test_contract[F5-F6-410-lists-again-at-once]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F5-410-after-compaction]",
        "kube/test_reflector_waits.py::test_f5_410_again_and_again_is_slowed_down",
    ),
    6: (
        "410 instead of a watch",
        "kube/test_decode.py::test_refusals[F6-410]",
        "kube/test_decode.py::test_refusals[F6-410-without-body]",
        "kube/test_listwatch.py::test_lists_that_fail[F6-410]",
        "kube/test_listwatch_watch.py::test_watches_that_do_not_begin[F6-410]",
        "kube/test_reflector.py::test_contract[F5-F6-410-lists-again-at-once]",
    ),
    7: (
        "410 on a later page",
        "kube/test_listwatch.py::test_f7_after_an_expired_token_everything_is_asked_for_at_once",
        "kube/test_reflector.py::test_contract[F7-410-on-page-2-begins-again]",
        "kube/test_reflector_waits.py::test_f7_tokens_that_always_expire_are_slowed_down",
    ),
    8: (
        "deletions missed in a gap",
        "kube/test_reflector.py::test_contract[F8-deletions-missed-in-a-gap-are-found]",
        "kube/test_reflector_heals.py::test_the_store_becomes_the_truth",
    ),
    9: (
        "additions and changes missed in a gap",
        "kube/test_reflector.py::test_contract[F9-additions-missed-in-a-gap-are-found]",
        "kube/test_reflector_heals.py::test_the_store_becomes_the_truth",
    ),
    10: (
        "the same events again",
        "kube/test_reflector.py::test_contract[F10-the-same-event-twice-changes-nothing]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F10-replayed]",
    ),
    11: (
        "a deletion of what nobody knows",
        "kube/test_reflector.py::test_contract[F11-deleting-what-nobody-knows]",
    ),
    12: (
        "events out of order",
        "kube/test_audit.py::test_one_audit_later_it_is_the_truth",
        "sim/test_faults.py::test_events_again[f12-out-of-order]",
    ),
    13: (
        "bookmarks only",
        "kube/test_decode.py::test_bookmarks[F13]",
        "kube/test_reflector.py::test_contract[F13-a-bookmark-moves-the-version-only]",
    ),
    14: (
        "no bookmark ever",
        "kube/test_reflector.py::test_contract[F14-silence-watches-on-from-the-same-version]",
        "kube/test_reflector_waits.py::test_f14_an_idle_hour_needs_no_list",
    ),
    15: (
        "500 InternalError in the stream",
        "kube/test_decode.py::test_error_events[F15-inside-error-may-pass]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F15-500-event]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[list-F15-no-hot-loop]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[watch-F15-no-hot-loop]",
    ),
    16: (
        "500 StoreReadError in the stream",
        "kube/test_decode.py::test_error_events[F16-unreadable-object-relists]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F16-store-read-error]",
    ),
    17: (
        "an ERROR without reason or code",
        "kube/test_decode.py::test_error_events[F17-no-reason-relists]",
        "kube/test_decode.py::test_error_events[F17-empty-status]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F17-no-reason]",
        "kube/test_reflector.py::test_contract[F17-an-error-without-reason-lists-again]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F17-error-without-reason]",
    ),
    18: (
        "no streaming lists",
        "kube/test_listwatch_watch.py::test_f18_a_server_without_streaming_lists[F18-422]",
        "kube/test_listwatch_watch.py::test_f18_a_server_without_streaming_lists[F18-400]",
        "kube/test_reflector_streaming.py::test_streaming[F18-refused-falls-back-to-pages-at-once]",
        "kube/test_reflector_streaming.py::test_streaming[F18-refused-by-an-error-event]",
    ),
    19: (
        "a streaming list without its end",
        "kube/test_listwatch_watch.py::test_f19_a_streaming_list_without_its_end",
        "kube/test_reflector_streaming.py::test_streaming[F19-no-end-falls-back-and-removes-nothing-before]",
        "kube/test_reflector_streaming.py::test_streaming[F19-a-clean-end-before-the-mark-is-no-end]",
    ),
    20: (
        "429 with Retry-After",
        "kube/test_decode.py::test_error_events[F20-429]",
        "kube/test_decode.py::test_retry_after[F20-header]",
        "kube/test_listwatch.py::test_f20_retry_after_is_passed_on[list]",
        "kube/test_listwatch.py::test_f20_retry_after_is_passed_on[watch]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[list-F20-F21-retry-after]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[watch-F20-F21-retry-after]",
    ),
    21: (
        "503 with Retry-After at the start",
        "kube/test_decode.py::test_error_events[F21-503]",
        "kube/test_listwatch.py::test_lists_that_fail[F21-503]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[list-F20-F21-retry-after]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[watch-F20-F21-retry-after]",
    ),
    22: (
        "504 TooLarge",
        "kube/test_decode.py::test_error_events[F22-too-large]",
        "kube/test_decode.py::test_refusals[F22-too-large]",
        "kube/test_reflector.py::test_contract[F22-a-version-too-large-lists-again]",
    ),
    23: (
        "versions go back: etcd restored",
        "kube/test_listwatch.py::test_f23_a_version_the_server_has_not_reached",
        "kube/test_reflector.py::test_contract[F23-a-server-set-back-is-found-by-asking]",
        "kube/test_reflector.py::test_contract[F23-any-504-to-that-question-means-it]",
        "kube/test_reflector_http.py::test_f23_a_restored_backup_is_found",
    ),
    24: (
        "the token is rotated",
        "kube/test_api_credentials.py::test_f24_a_401_reads_the_token_again_and_asks_again_once",
        "kube/test_api_credentials.py::test_f24_a_second_401_is_an_error",
        "kube/test_decode.py::test_refusals[F24-401]",
        "kube/test_listwatch.py::test_lists_that_fail[F24-401]",
    ),
    25: (
        "the token file is missing or empty",
        "kube/test_api_credentials.py::test_f25_a_kubeconfig_that_is_away_for_a_moment",
        "kube/test_api_credentials.py::test_f25_a_token_file_without_a_token_for_a_moment[missing]",
    ),
    26: (
        "403 on one kind",
        "kube/test_decode.py::test_refusals[F26-403-says-what-to-grant]",
        "kube/test_listwatch.py::test_lists_that_fail[F26-403]",
        "kube/test_listwatch_watch.py::test_watches_that_do_not_begin[F26-403]",
        "kube/test_reflector_waits.py::test_f26_one_forbidden_kind_is_logged_once_a_minute",
    ),
    27: (
        "403 after the sync",
        "kube/test_reflector_waits.py::test_f27_forbidden_after_the_sync_keeps_what_is_known",
    ),
    28: (
        "a restart by SIGTERM",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F28-down-and-up]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[list-F28-F31-down]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[watch-F28-F31-down]",
    ),
    29: (
        "a restart by kill -9",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F29-killed-and-up]",
    ),
    30: (
        "away for long",
        "kube/test_reflector_waits.py::test_f30_after_an_hour_without_the_server_it_goes_on_within_65_s",
        "plugins/test_kubernetes_age.py::test_what_was_never_heard_of_ages_from_the_start",
    ),
    31: (
        "away at the start",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[list-F28-F31-down]",
        "kube/test_reflector_waits.py::test_errors_are_waited_out[watch-F28-F31-down]",
    ),
    32: (
        "slow to begin, slow to end",
        "kube/test_listwatch.py::test_deadlines[F32-slow]",
    ),
    33: (
        "a list cut in its middle",
        "kube/test_decode.py::test_bodies_that_are_no_lists[F33-cut]",
        "kube/test_decode.py::test_bodies_that_are_no_lists[F33-empty]",
        "kube/test_listwatch.py::test_lists_that_fail[F33-cut]",
        "kube/test_reflector.py::test_contract[F33-a-list-cut-in-the-middle-removes-nothing]",
    ),
    34: (
        "a line cut, or not JSON",
        "kube/test_decode.py::test_lines_that_are_no_events[F34-cut]",
        "kube/test_decode.py::test_lines_that_are_no_events[F34-html]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F34-cut-in-a-line]",
        "kube/test_listwatch_watch.py::test_watches_that_fail[F34-no-json]",
        "kube/test_reflector.py::test_contract[F34-a-line-cut-watches-on-from-the-last-good-version]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F34-cut]",
    ),
    35: (
        "lines and objects of megabytes",
        "kube/test_listwatch_watch.py::test_watches_that_do_not_begin[F35-a-line-without-an-end]",
        "kube/test_listwatch_watch.py::test_f35_a_line_of_8_mb_is_read",
    ),
    36: (
        "objects that are none",
        "kube/test_decode.py::test_what_cannot_be_read_of_an_object[F36-null]",
        "kube/test_decode.py::test_what_cannot_be_read_of_an_object[F36-no-metadata]",
        "kube/test_listwatch.py::test_f36_items_that_cannot_be_read_cost_themselves",
        "kube/test_listwatch.py::test_lists_that_fail[F36-not-a-list]",
        "kube/test_reflector.py::test_contract[F36-an-object-that-cannot-be-read-is-passed-over]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F36-nonsense]",
    ),
    37: (
        "an unknown event type",
        "kube/test_decode.py::test_f37_an_unknown_type_is_passed_on",
        "kube/test_reflector.py::test_contract[F37-an-unknown-type-keeps-the-version]",
        "kube/test_reflector_http.py::test_after_the_fault_everything_is_as_the_server_has_it[F37-unknown-type]",
    ),
    38: (
        "an object that cannot be read",
        "kube/test_decode.py::test_what_cannot_be_read_of_an_object[F38-a-field-of-a-wrong-type]",
        "kube/test_reflector.py::test_contract[F38-what-cannot-be-read-can-still-be-deleted]",
        "kube/test_reflector.py::test_contract[F38-an-unreadable-change-keeps-the-last-good-state]",
        "kube/test_reflector_waits.py::test_f38_an_object_the_store_refuses_costs_only_itself",
    ),
    39: (
        "a relist of a large cluster",
        "kube/test_reflector_http.py::test_f39_a_list_of_ten_thousand_lets_the_loop_run",
        "kube/test_reflector_waits.py::test_f39_a_relist_lets_the_loop_run_between_chunks",
    ),
    40: (
        "a thousand events a second",
        "kube/test_listwatch_watch.py::test_f40_a_burst_lets_the_loop_run",
    ),
    41: (
        "certificates that change or are wrong",
        "kube/test_api_tls.py::test_f41_an_authority_that_changed_is_read_again",
        "kube/test_api_tls.py::test_f41_what_is_wrong_with_a_certificate[F41-wrong-ca]",
    ),
    42: (
        "a proxy's page with 200, a redirect",
        "kube/test_decode.py::test_bodies_that_are_no_lists[F42-html]",
        "kube/test_listwatch.py::test_lists_that_fail[F42-html-with-200]",
        "kube/test_listwatch.py::test_lists_that_fail[F42-redirect]",
        "kube/test_listwatch_watch.py::test_watches_that_do_not_begin[F42-html]",
    ),
    43: ("the API server's name cannot be resolved",),
    44: ("the clock jumps",),
    45: (
        "two servers, one of them behind",
        "kube/test_audit.py::test_a_list_of_a_server_that_is_behind_is_no_yardstick",
        "sim/test_faults.py::test_f45_server_that_is_behind",
    ),
    46: (
        "a namespace deleted with its Services",
        "kube/test_store_law.py::test_an_answer_none_of_whose_keys_was_touched_is_as_before",
        "sim/test_faults.py::test_f46_namespace_deleted_with_its_services",
    ),
    47: (
        "slices merged and deleted, with overlap",
        "kube/test_store_law.py::test_any_history_answers_as_its_objects_alone",
    ),
    48: (
        "deleted and made again in a gap",
        "kube/test_reflector.py::test_contract[F48-deleted-and-made-again-in-a-gap]",
        "kube/test_reflector.py::test_the_newest_object_wins_after_f48",
    ),
}
"""By number: what happens, and tests of it beside its own."""


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Return every test there is in the files that are named."""
    named = {node.partition("::")[0] for _, *nodes in FAULTS.values() for node in nodes}
    own = [str(path) for path in Path(__file__).parent.glob("test_faults_*.py")]
    files = [*(f"tests/{each}" for each in sorted(named)), *own]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", "-p",
         "no:cacheprovider", "-o", "addopts=", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.splitlines())


def test_there_are_48() -> None:
    assert list(FAULTS) == list(range(1, 49))


@pytest.mark.parametrize("number", FAULTS)
def test_each_has_a_test_of_its_own(number: int, collected: set[str]) -> None:
    own = rf"tests/survival/test_faults_\w+\.py::test_(F\d+_)*F{number}_"
    assert any(re.match(own, node) for node in collected)


@pytest.mark.parametrize("number", FAULTS)
def test_the_tests_named_exist(number: int, collected: set[str]) -> None:
    _, *nodes = FAULTS[number]
    assert {f"tests/{node}" for node in nodes} <= collected
