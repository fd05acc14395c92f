"""Draw one comparison on one page, by layer."""

from pairprobe.figures.grid import Panel
from pairprobe.figures.overview import Tables, overview_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake):
    rows = [[Panel(**panel) for panel in row] for row in snakemake.params.rows]
    tables = Tables(**{name: path or None for name, path in snakemake.input.items()})
    save(overview_figure(tables, rows), snakemake.output)
