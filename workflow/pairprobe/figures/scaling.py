"""How many times as fast a run is on more and more workers."""

from collections.abc import Mapping, Sequence

from pairprobe.figures import style


@style.styled
def draw_scaling(
    workers: Sequence[int], speed_ups: Mapping[str, Sequence[float]], limits: Mapping[str, float], path: str
) -> None:
    """Draw a line for each kind of worker, by its name, and the limit that no number of workers exceeds, dotted."""
    figure = style.new_figure(style.ONE_COLUMN)
    axes = figure.subplots()
    look = style.Appearance(among=list(speed_ups))
    for name, values in speed_ups.items():
        axes.plot(workers, values, **look.line(name), label=f"workers of {name}")
        axes.axhline(limits[name], color=look.line(name)["color"], linewidth=0.7, linestyle=":")
    axes.set(xscale="log", xlabel="Workers", ylabel="Speed-up (dotted: at most)", ylim=(0.9, None))
    axes.set_xticks(workers, [str(number) for number in workers])
    axes.minorticks_off()
    style.grid_lines(axes)
    figure.legend(loc="outside upper center", ncols=len(speed_ups))
    style.save(figure, [path])
