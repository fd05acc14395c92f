"""The finished demo's critical path: the jobs that no number of cores shortens, by Snakemake's own benchmarks."""

import scaling
from pairprobe.tables.layout import markdown
from schedule import Workers, critical_path, makespan, simulate
from suite.settings import Settings
from suite.startup import finished

CORES = (1, 2, 4, 8)


def measure(_: Settings) -> dict:
    """Find the jobs and what they wait for by a dry run, and their times in the run's benchmarks."""
    project = finished()
    jobs = scaling.with_benchmarks(scaling.dry_run(project / "config" / "config.yaml", project), project)
    path = [(job.name, job.threads, job.seconds) for job in critical_path(jobs) if job.seconds]
    simulated = {str(cores): makespan(simulate(jobs, Workers(1, cores))) for cores in CORES}
    return {"jobs": len(jobs), "all": sum(job.seconds for job in jobs), "path": path, "simulated": simulated}


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    length = sum(seconds for _, _, seconds in found["path"])
    rows = [
        (name, threads, f"{seconds:.1f}", f"{100 * seconds / length:.0f} %") for name, threads, seconds in found["path"]
    ]
    fields = ("job", "threads", "seconds", "of the path")
    cores = ", ".join(f"{seconds:.0f} s on {n}" for n, seconds in found["simulated"].items())
    return [
        f"{found['jobs']} jobs, {found['all']:.0f} s one after the other; the critical path takes {length:.0f} s. "
        f"Simulated with these times, by cores: {cores}.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]
