"""A logger for Snakemake that keeps which jobs there are, and when each began and ended, as JSON lines.

    PYTHONPATH=benchmarks snakemake --logger jobs --logger-jobs-path FILE ...

In a dry run these are the jobs that would run. It is found by its name, as every plugin of Snakemake's is; nothing is
installed.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """What can be set on the command line."""

    path: str = field(default="jobs.jsonl", metadata={"help": "the file that lines are added to"})


class LogHandler(LogHandlerBase):
    """Writes a line for each job, for its beginning and for its end; the clock's time in seconds."""

    writes_to_stream = False
    writes_to_file = False  # it does, but Snakemake would name the file as a log to read
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        """Write what the record says of jobs, if it does."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            self._write(
                job=record.jobid,
                rule=record.rule_name,
                wildcards=dict(record.wildcards or {}),
                threads=record.threads,
                gpu="gpu" in set(record.resources.keys()),
                input=list(record.input or ()),
                # Without the note that an output is updated, and not made anew.
                output=[name.removesuffix(" (update)") for name in record.output or ()],
                benchmark=record.benchmark,
            )
        elif event == LogEvent.JOB_STARTED:
            for job in record.jobs:
                self._write(job=job, started=record.created)
        elif event == LogEvent.JOB_FINISHED:
            self._write(job=record.job_id, finished=record.created)

    def _write(self, **line) -> None:
        with open(self.settings.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
