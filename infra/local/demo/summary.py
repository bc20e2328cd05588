"""What the demonstration found, as a table on standard output."""

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from infra.local.demo.demonstration import Result

MAX_LIST = 20


def print_summary(result: Result) -> None:
    console = Console(highlight=False)
    found = result.comparison
    faults = {"missing": found.missing, "altered": found.altered, "extra": found.extra}
    rows = {
        "calls": f"{result.calls}",
        "files archived": f"{found.recordings}",
        "transcripts archived": f"{found.transcripts}",
        "bytes": f"{found.size:,} ({decimal(found.size)})",
        "deleted at source": f"{found.deleted_at_source}",
        "events to the consumer": f"{result.events}",
        **{name: f"{len(keys)}" for name, keys in faults.items()},
        "seconds to deploy": f"{result.deploy_seconds:.1f}",
        "seconds to archive": f"{result.archive_seconds:.1f}",
    }
    table = Table(show_header=False, title="S3, compared with what was served", title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    for name, keys in faults.items():
        for key in keys[:MAX_LIST]:
            console.print(f"{name}: {key}", markup=False, soft_wrap=True)
    console.print("All of it is there, and nothing else." if result.holds else "The archive does not hold.")
