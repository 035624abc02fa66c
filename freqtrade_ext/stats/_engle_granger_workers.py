"""Where blocks of Engle-Granger tests run: threads of this process, or a Ray cluster."""

import importlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from threadpoolctl import threadpool_limits

from freqtrade_ext.errors import InfeasibleError
from freqtrade_ext.stats._engle_granger_blocks import Block, BlockResult, Scan, run_block

__all__ = ["run_on_ray", "run_on_threads"]


def run_on_threads(scan: Scan, blocks: Sequence[Block], jobs: int) -> Iterator[BlockResult]:
    """
    Run blocks on `jobs` threads, each with a single-threaded BLAS, as they get done.

    A threaded BLAS would use all cores whatever `jobs` says, and wait for itself where other
    processes are busy.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        if jobs == 1:
            yield from (run_block(scan, block) for block in blocks)
            return
        pool = ThreadPoolExecutor(jobs, thread_name_prefix="engle-granger")
        try:
            futures = [pool.submit(run_block, scan, block) for block in blocks]
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def run_on_ray(scan: Scan, blocks: Sequence[Block], jobs: int) -> Iterator[BlockResult]:
    """
    Run blocks as tasks of the Ray cluster at hand (a local one if none), `jobs` at a time.

    Raises
    ------
    InfeasibleError
        If Ray is not installed.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as missing:
        raise InfeasibleError(
            "backend 'ray' needs Ray, which is not installed: pip install 'freqtrade-ext[ray]'"
        ) from missing
    if not ray.is_initialized():
        ray.init()
    task, shared = ray.remote(_run_alone), ray.put(scan)
    waiting = list(blocks)
    running: list[Any] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(task.remote(shared, waiting.pop(0)))
        done, running = ray.wait(running)
        yield from ray.get(done)


def _run_alone(scan: Scan, block: Block) -> BlockResult:
    with threadpool_limits(limits=1, user_api="blas"):
        return run_block(scan, block)
