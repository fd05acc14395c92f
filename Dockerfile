# The workflow with its packages, as pinned: docs/how-to/cluster.md, "In a container".
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# Where torch for CPUs alone is to be had, say; pip reads it.
ARG PIP_EXTRA_INDEX_URL
# Snakemake fetches modules with git.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

COPY . /opt/pairprobe
RUN pip install --no-cache-dir -c /opt/pairprobe/constraints.txt /opt/pairprobe

# Whoever runs it (docker run --user) has a home and a name.
ENV HOME=/home/probe LOGNAME=probe
RUN useradd --uid 1000 --home-dir $HOME --create-home probe && chmod 1777 $HOME && mkdir -m 1777 /work
USER probe
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/pairprobe/workflow/Snakefile"]
CMD ["--help"]
