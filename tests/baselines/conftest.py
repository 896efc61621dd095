from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Boost on one thread, as the stage does: on a busy machine several wait for each other."""
    with threadpool_limits(1):
        yield
