# Where the workflow's own files are: WORKFLOW.
#
# Of a Snakefile in a git repository (github, gitlab, gitfile) Snakemake fetches single files, but the library is imported as a
# whole. So its commit is checked out into Snakemake's cache, once, and all else is included from there.
import io
import tarfile
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import GenericSourceFile, LocalSourceFile


def checked_out(basedir):
    """Check out the commit of a folder in a git repository; returns the folder."""
    import git

    if isinstance(basedir, GenericSourceFile):
        raise WorkflowError(
            f"{basedir.get_path_or_uri(secret_free=True)}: of a URL only a single file is fetched, and this workflow is many. "
            "Name its Snakefile by a path, or in a git repository by gitfile(...), github(...) or gitlab(...)."
        )
    hosted = getattr(basedir, "hosted_repo", None)
    repository = hosted.repo if hosted else git.Repo(basedir.repo_path)
    commit = repository.commit(basedir.ref).hexsha
    target = Path(workflow.sourcecache.cache_path) / "pairprobe" / commit
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            packed = io.BytesIO()
            repository.archive(packed, commit)
            packed.seek(0)
            with tarfile.open(fileobj=packed) as tree:
                tree.extractall(f"{folder}/{commit}", filter="data")
            try:
                Path(folder, commit).rename(target)
            except OSError:
                # Another process was faster.
                if not target.exists():
                    raise
    return target / basedir.path


WORKFLOW = workflow.current_basedir
WORKFLOW = (
    Path(WORKFLOW) if isinstance(WORKFLOW, LocalSourceFile) else checked_out(WORKFLOW)
)
