"""The report as one page for people: ``metrics/report/index.html``, which needs nothing else."""

from verdict.report.page.rendering import write_page

__all__ = ["write_page"]
