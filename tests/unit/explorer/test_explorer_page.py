"""The explorer in a real browser: each control does what it says, by mouse and by keyboard, and nothing leaves the page."""

import contextlib
import itertools
import re
import shutil

import explored
import numpy as np
import pytest
from explored import LAYERS, LONG, RECIPE, SEEDS
from samples import write_store

from pairprobe.activations.store import Activations
from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.probing_sets.text_pairs import TextPair, resolve
from pairprobe.rankings import measuring, pair_ranking
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, percentages
from pairprobe.rankings.similarity_store import Similarities

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NUMBERS = ("percentage", "null_auc", "unmatching", "para_len")
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --no-first-run --disable-sync"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path; on Debian: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer")
    explored.page(folder, claims=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split(), timeout=120000)
        yield browser
        browser.close()


@contextlib.contextmanager
def visits(browser):
    """Yield what opens a page; at the end their consoles must be clean, and nothing but themselves asked for."""
    said, asked, contexts = [], [], []

    def opened(path, hash="", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{path}{hash}")
        page.wait_for_selector(".chart .main-svg")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert {url.split("#")[0].rsplit("/", 1)[-1] for url in asked} <= {"explorer.html", "data:,"}


@pytest.fixture
def visit(browser):
    with visits(browser) as opened:
        yield opened


@pytest.fixture
def page(visit, folder):
    return visit(folder / "explorer.html")


@pytest.fixture(scope="module")
def of_recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    explored.page(folder, claims=True, intervals=True, compared=("before", RECIPE))
    return folder


@pytest.fixture(scope="module")
def trained(browser, of_recipe):
    """One page of a run with a recipe."""
    with visits(browser) as opened:
        yield opened(of_recipe / "explorer.html")


@pytest.fixture(scope="module")
def shared(browser, folder):
    """One page for the tests that open pairs by their address, since opening the page itself takes longest."""
    with visits(browser) as opened:
        yield opened(folder / "explorer.html")


@contextlib.contextmanager
def newly_told(page):
    """Wait until a pair that is opened here is shown."""
    page.evaluate("() => { document.getElementById('live').textContent = ''; }")
    yield
    page.locator("#live", has_text=re.compile("words in the|Not ranked")).wait_for(state="attached")


def go(page, hash):
    """Open a pair by its address."""
    page.evaluate("() => { location.hash = ''; }")
    with newly_told(page):
        page.evaluate("(hash) => { location.hash = hash; }", hash)


def click_point(chart, line, point):
    """Click a point by the mouse, which does not scroll to it by itself."""
    dot = chart.locator(".scatterlayer .trace").nth(line).locator(".point").nth(point)
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    chart.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def ranks(folder, checkpoint, task, measure, layer):
    rows = read_tsv(folder / f"{checkpoint}.{task}.tsv")
    return {row["example_id"]: row for row in rows if (row["measure"], row["layer"]) == (measure, str(layer))}


def share(row):
    return int(row["count"]) / int(row["unmatching"])


def listed(page):
    """Return the example_id of every pair of the list, in order, by walking through it."""
    return page.evaluate(
        """async () => {
            const box = document.getElementById("rows"), found = new Map();
            for (let top = 0; top <= box.scrollHeight; top += 200) {
                box.scrollTop = top;
                await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
                for (const item of box.querySelectorAll(".item")) found.set(Number(item.dataset.i), item.dataset.place);
            }
            box.scrollTop = 0;
            return [...found.entries()].sort((a, b) => a[0] - b[0]).map((one) => Number(one[1]));
        }"""
    )


def test_a_click_on_a_point_lists_the_pairs_of_its_layer(page, folder):
    chart = page.locator(".chart").nth(2)
    assert chart.get_attribute("aria-label") == "Coreference, cosine similarity: percentages by layer"
    click_point(chart, line=0, point=1)
    page.wait_for_selector(".item")
    assert page.inner_text("#list-title") == "Coreference, cosine similarity"
    assert page.inner_text("#count") == "40 of 40 pairs, layer 1"
    of_layer = ranks(folder, "before", "coreference", "cosine", 1)
    wanted = sorted(range(explored.NUMBER), key=lambda i: (share(of_layer[str(i)]), i))
    assert listed(page) == wanted


def test_the_keyboard_alone_goes_from_the_grid_to_the_words_and_on_to_another_layer(page, folder):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the charts"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "panels"
    for _ in range(30):
        page.keyboard.press("Tab")
        if "chart" in page.evaluate("document.activeElement.className"):
            break
    assert "Layer" not in page.inner_text("#live")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    value = next(
        float(row["percentage"])
        for row in read_tsv(folder / "percentages.tsv")
        if (row["checkpoint"], row["task"], row["measure"], row["layer"]) == ("after", "synonyms", "cosine", "1")
    )
    assert page.inner_text("#live") == f"After, layer 1: {value:.1f} %"
    page.keyboard.press("Enter")
    page.wait_for_selector(".item")
    assert page.evaluate("document.activeElement.id") == "rows"
    page.keyboard.press("End")
    last = page.locator("#rows").get_attribute("aria-activedescendant")
    assert page.locator(f"#{last}").get_attribute("aria-posinset") == "26"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".view .w.anchor")
    assert page.evaluate("document.activeElement.id") == "pair"
    assert page.locator('.item[aria-selected="true"]').get_attribute("aria-posinset") == "2"
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#at") == "2"
    assert page.inner_text("#live").startswith("Layer 2. Before")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "rows"


def test_what_has_the_focus_can_be_seen(page):
    page.keyboard.press("Tab")
    for _ in range(6):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => [document.activeElement, document.activeElement.nextElementSibling].filter(Boolean)
                .some((one) => getComputedStyle(one).outlineStyle === "solid")"""
        )
        assert seen, page.evaluate("document.activeElement.outerHTML")


def test_the_rank_that_is_shown_is_the_rankings_at_every_layer(shared, folder):
    page = shared
    shown = [("coreference", "cosine"), ("synonyms", "euclidean"), ("boundary", "start"), ("boundary", "end")]
    for (task, measure), layer in itertools.product(shown, range(4)):
        if not layer:
            go(page, f"#/{task}/{measure}/0/5")
        page.fill("#slider", str(layer))
        for name, words in zip(LAYERS, page.locator(".view .rank").all_inner_texts(), strict=True):
            if layer >= LAYERS[name]:
                assert words == f"It has no layer {layer}; its last is {LAYERS[name] - 1}."
                continue
            row = ranks(folder, name, task, measure, layer)["5"]
            count, ties, length, others = (int(row[key]) for key in ("count", "ties", "para_len", "unmatching"))
            said = f"{ties} tie{'s' * (ties != 1)}" if ties else "no ties"
            place = "sentence" if task == "boundary" else "paragraph"
            wanted = (
                f"Outranks {count} of {others} unmatching words ({100 * count / others:.1f}\u00a0%); {said}; {length} words"
            )
            assert words == f"{wanted} in the {place}."
            closer = page.locator(f'.view[data-checkpoint="{list(LAYERS).index(name)}"] .closer').count()
            assert closer == others - count - ties


def test_words_are_shaded_by_their_similarity_and_the_switch_takes_the_other_measure(shared, folder):
    page = shared
    go(page, "#/coreference/cosine/1/5")
    with Activations([folder / "before.paragraph.h5"]) as activations:
        vectors = activations["5"][1][1].astype(float)
    anchor = vectors[[0, 1]].mean(0)
    euclidean = -(((vectors - anchor) ** 2).sum(1) ** 0.5)
    cosine = vectors @ anchor / ((vectors**2).sum(1) * (anchor**2).sum()) ** 0.5
    for choice, wanted in ((0, cosine), (1, euclidean)):
        page.locator("#shade-by .choice").nth(choice).click()
        spans = page.locator('.view[data-checkpoint="0"] [data-kind="paragraph"]')
        titles = spans.evaluate_all("all => all.map((one) => one.title)")
        depths = spans.evaluate_all("all => all.map((one) => Number(one.style.getPropertyValue('--s')))")
        assert titles[2] == "no vector"
        assert [titles[i].split(",")[0] for i in (0, 1, 12)] == ["anchor", "anchor", "match"]
        for i, value in enumerate(wanted):
            if i != 2:
                assert float(titles[i].split(", ")[-1]) == pytest.approx(value, abs=0.03 if choice == 0 else 0.1)
        order = sorted((i for i in range(3, len(wanted))), key=lambda i: depths[i])
        assert all(wanted[a] <= wanted[b] + 0.1 for a, b in itertools.pairwise(order))
    assert page.locator(".view .w.anchor").count() == 4
    style = page.locator(".view .w.match").first.evaluate(
        "one => [getComputedStyle(one).outlineStyle, getComputedStyle(one).textDecorationLine]"
    )
    assert style == ["dashed", "underline"]


def test_a_pair_without_activations_is_listed_without_scores(shared, folder):
    page = shared
    go(page, f"#/coreference/cosine/1/{LONG}")
    said = page.locator(".view .rank").all_inner_texts()
    assert said[0].startswith("Outranks")
    assert said[1].startswith("Not ranked: the example was too long")
    assert page.locator('.view[data-checkpoint="1"] .w.anchor').count() == 2
    assert set(
        page.locator('.view[data-checkpoint="1"] .w').evaluate_all(
            "all => all.map((one) => one.style.getPropertyValue('--s'))"
        )
    ) == {"0"}


def test_words_that_look_like_markup_are_words(shared, folder):
    page = shared
    for example in range(10):
        go(page, f"#/coreference/cosine/0/{example}")
        row = explored.questions()[example]
        assert page.locator('.view[data-checkpoint="0"] [data-kind="paragraph"]').all_text_contents() == row["paragraph"]
        assert page.locator('.view[data-checkpoint="0"] [data-kind="question"]').all_text_contents() == row["question"]
        assert f"page “{row['title']}”" in page.inner_text("#where")
    assert page.locator("#legend li").first.inner_text().strip() == "Before <i>&</i>"
    assert page.title() == "tiny {{run}} </script> – pairprobe explorer"
    assert page.locator("i:has-text('&')").count() == 0


def open_list(page, task=2, layer=1):
    page.locator("#grid details summary").nth(task).click()
    page.locator("#grid details").nth(task).locator("tbody tr").nth(layer).locator("button").first.click()
    page.wait_for_selector(".item")


def test_the_list_is_filtered_by_rank_change_and_words(page, folder):
    open_list(page)
    of_layer = {name: ranks(folder, name, "coreference", "cosine", 1) for name in LAYERS}
    shares = {name: {int(i): share(row) for i, row in rows.items()} for name, rows in of_layer.items()}
    page.select_option("#order", "set")
    page.select_option("#of", label="After")
    page.fill("#from", "20")
    page.fill("#to", "60")
    assert listed(page) == [i for i in range(40) if 0.2 <= shares["after"].get(i, -1) <= 0.6]
    page.fill("#from", "0")
    page.fill("#to", "100")
    for change, holds in (("rose", lambda by: by > 0), ("fell", lambda by: by < 0), ("any", lambda by: by != 0)):
        page.select_option("#change", change)
        wanted = [i for i in range(40) if i in shares["after"] and holds(shares["after"][i] - shares["before"][i])]
        assert listed(page) == wanted
        assert 0 < len(wanted) < 40
    page.select_option("#change", "")
    page.fill("#search", "q11 MARY")
    page.locator("#count", has_text=re.compile("^1 of 40 ")).wait_for()
    assert listed(page) == [11]
    page.fill("#search", "nowhere")
    page.locator("#count", has_text=re.compile("^0 of 40 ")).wait_for()
    page.fill("#search", "")
    page.select_option("#order", "high")
    page.locator("#count", has_text=re.compile("^40 of 40 ")).wait_for()
    order = listed(page)
    assert [shares["after"][i] for i in order[:-1]] == sorted(shares["after"].values(), reverse=True)
    assert order[-1] == int(LONG)
    page.select_option("#order", "change")
    page.locator("#count", has_text=re.compile("^40 of 40 ")).wait_for()
    changes = [abs(shares["after"][i] - shares["before"][i]) for i in listed(page) if i in shares["after"]]
    assert changes == sorted(changes, reverse=True)


def test_the_list_goes_to_another_layer(page, folder):
    open_list(page)
    page.select_option("#layer", "2")
    page.locator("#count", has_text="layer 2").wait_for()
    of_layer = ranks(folder, "before", "coreference", "cosine", 2)
    assert listed(page) == sorted(range(40), key=lambda i: (share(of_layer[str(i)]), i))


def test_only_the_lines_in_view_are_in_the_page(page):
    open_list(page)
    page.evaluate("document.getElementById('rows').style.height = '136px'")
    page.evaluate("document.getElementById('rows').scrollTop = 1000")
    page.wait_for_selector('.item[data-i="15"]')
    assert page.locator(".item").count() < 15


def shown(page):
    return [
        one.get_attribute("aria-label").split(":")[0]
        for one in page.locator(".chart[aria-label]").all()
        if one.is_visible()
    ]


def test_panels_are_filtered_by_task_measure_and_verdict(page):
    assert len(shown(page)) == 6
    page.locator("#tasks .choice", has_text="Synonyms").click()
    page.locator("#measures .choice", has_text="Euclidean").click()
    assert shown(page) == ["Coreference, cosine similarity", "Boundary, start position", "Boundary, end position"]
    assert "panels shown" in page.inner_text("#live")
    page.locator("#verdicts .choice", has_text="contradicted").click()
    assert shown(page) == ["Coreference, cosine similarity"]
    assert page.locator(".claims summary").first.inner_text() == "Claims: auc − 1 contradicted; specific ? 1 undecided"
    page.locator(".claims summary").first.click()
    assert page.locator(".claims p").first.inner_text() == "Before <i>&</i> to After, these two checkpoints:"
    said = "upper layers better, as the paper says: auc − contradicted; specific ? undecided"
    assert page.locator(".claims li").first.inner_text() == said
    page.select_option("#claim", "gap_grows")
    assert shown(page) == []
    assert page.locator("#no-panels").is_visible()
    page.locator("#verdicts .choice", has_text="Any").click()
    assert shown(page) == ["Boundary, start position"]
    page.locator(".claims summary").nth(1).click()
    assert page.locator(".claims li").nth(1).inner_text() == "gap grows: auc grows"


def test_the_table_of_a_panel_says_what_the_chart_draws(page, folder):
    page.locator("#grid details summary").nth(2).click()
    page.locator("#grid details").nth(2).locator("table").wait_for()
    cells = (
        page.locator("#grid details")
        .nth(2)
        .locator("tbody tr")
        .evaluate_all("rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))")
    )
    wanted = {
        (row["checkpoint"], row["layer"]): row
        for row in read_tsv(folder / "percentages.tsv")
        if (row["task"], row["measure"]) == ("coreference", "cosine")
    }
    for layer, *values in cells:
        for (is_chance, name), value in zip(itertools.product((False, True), LAYERS), values, strict=True):
            row = {key: float(cell) for key, cell in wanted.get((name, layer), {}).items() if key in NUMBERS}
            chance = row and row["null_auc"] * row["unmatching"] / row["para_len"]
            assert value == (f"{chance if is_chance else row['percentage']:.1f} %" if row else "")
    page.select_option("#value", "auc")
    assert (
        page.locator("#grid details").nth(2).locator("tbody td").first.inner_text()
        == f"{float(wanted['before', '0']['auc']):.1f} %"
    )


def test_the_table_of_words_says_what_the_shades_say(shared, folder):
    page = shared
    go(page, "#/coreference/cosine/1/5")
    page.locator(".view summary").first.click()
    page.locator(".view table").first.wait_for()
    rows = (
        page.locator(".view table")
        .first.locator("tbody tr")
        .evaluate_all("rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))")
    )
    row = explored.questions()[5]
    assert [cells[0] for cells in rows] == row["question"] + row["paragraph"]
    kinds = [cells[2] for cells in rows]
    assert (kinds.count("anchor"), kinds.count("match")) == (2, 1)
    assert kinds.count("closer") == page.locator('.view[data-checkpoint="0"] .closer').count()


@pytest.mark.parametrize("by", ["system", "switch"])
def test_the_dark_page_is_dark_and_its_words_can_be_read(visit, folder, by):
    page = visit(folder / "explorer.html", "#/coreference/cosine/1/5", color_scheme="dark" if by == "system" else "light")
    page.wait_for_selector(".view")
    if by == "switch":
        page.select_option("#theme", "dark")
    look = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
    ground, ink = ([int(part) for part in one[one.index("(") + 1 : -1].split(",")[:3]] for one in look)
    assert max(ground) < 60
    assert min(ink) > 200
    assert page.evaluate("document.querySelector('.chart .xtick text').style.fill") == "rgb(165, 175, 189)"


def test_nothing_is_wider_than_a_narrow_screen_and_nothing_moves_where_motion_is_not_wanted(visit, folder):
    narrow = {"width": 360, "height": 700}
    page = visit(folder / "explorer.html", "#/coreference/cosine/1/5", viewport=narrow, reduced_motion="reduce")
    page.wait_for_selector(".view")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


def test_every_control_has_a_name(shared):
    page = shared
    go(page, "#/coreference/cosine/1/5")
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, section, form, [role=application], [role=listbox]")]
            .filter((one) => !one.closest("label") && !one.ariaLabel && !one.getAttribute("aria-labelledby"))
            .filter((one) => one.tagName !== "BUTTON" || !one.textContent)
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []


def test_a_page_that_was_cut_off_says_so(visit, folder):
    whole = (folder / "explorer.html").read_text(encoding="utf-8")
    (folder / "cut").mkdir()
    (folder / "cut" / "explorer.html").write_text(whole[: whole.index('id="texts"')], encoding="utf-8")
    page = visit(folder / "cut" / "explorer.html")
    page.locator("#grid details summary").nth(2).click()
    page.locator("#grid details").nth(2).locator("button").first.click()
    page.wait_for_selector("#trouble:visible")
    assert "The part texts of this page cannot be read" in page.inner_text("#trouble")
    assert "Was the file cut off" in page.inner_text("#trouble")


@pytest.mark.parametrize("some", [{"compared": ("after",)}, {"tasks": ("synonyms", "answer_type")}])
def test_one_checkpoint_and_no_boundary_are_explored_too(visit, tmp_path, some):
    page = visit(explored.page(tmp_path, **some), "#/synonyms/cosine/1/5")
    page.wait_for_selector(".view")
    assert page.locator(".view").count() == len(some.get("compared", LAYERS))
    assert page.locator("#changes").is_visible() == ("compared" not in some)
    assert page.locator("#verdicts").is_hidden()


def test_an_address_that_is_opened_elsewhere_shows_what_was_shown(visit, folder):
    page = visit(folder / "explorer.html")
    page.locator("#measures .choice", has_text="Euclidean").click()
    page.locator("#verdicts .choice", has_text="contradicted").click()
    page.select_option("#value", "auc")
    open_list(page)
    page.select_option("#layer", "2")
    page.select_option("#order", "high")
    page.select_option("#of", label="After")
    page.fill("#to", "90")
    page.select_option("#change", "any")
    page.fill("#search", "mary")
    page.locator("#count", has_text=re.compile("^(?!40)\\d+ of 40 pairs, layer 2")).wait_for()
    page.locator(".item").nth(1).click()
    page.wait_for_selector(".view")
    page.fill("#slider", "3")
    page.locator("#shade-by .choice").nth(1).click()
    page.wait_for_timeout(500)  # the address follows a little later
    controls = "layer order of from to change before after search value claim slider".split()

    def state(page):
        return (
            shown(page),
            {name: page.input_value(f"#{name}") for name in controls},
            [page.inner_text(f"#{name}") for name in ("list-title", "count", "pair-title", "at")],
            page.locator(".view .rank").all_inner_texts(),
            page.locator(".item[aria-selected=true]").get_attribute("data-place"),
            page.locator("input:checked").evaluate_all("all => all.map((one) => one.name + one.value)"),
            page.evaluate("document.querySelectorAll('.chart')[2].firstChild.data.at(-1).x"),
        )

    wanted = state(page)
    again = visit(folder / "explorer.html", page.evaluate("location.hash"))
    again.wait_for_selector(".view")
    again.locator("#at", has_text="3").wait_for()
    assert state(again) == wanted
    assert wanted[1]["layer"] == "2"
    assert wanted[-1] == pytest.approx([2 / 3])  # the ring in the panel: layer 2 of 3


def test_an_address_of_another_run_says_so(shared):
    addresses = {"synonyms/cosine/9": "layer 9", "x/cosine/1": "leads to x", "synonyms/cosine/1/none": "example none"}
    for address, said in addresses.items():
        shared.evaluate("(address) => { location.hash = `#/${address}`; }", address)
        shared.locator("#trouble", has_text=said).wait_for()
    go(shared, "#/coreference/cosine/1/5")
    assert shared.locator("#trouble").is_hidden()


def test_panels_have_the_bands_of_the_figures(visit, folder, tmp_path):
    page = visit(explored.page(tmp_path, intervals=True))
    chart = page.locator(".chart").nth(0)
    bands = chart.locator(".shapelayer path").evaluate_all("all => all.map((one) => one.style.fill)")
    assert {"rgb(0, 114, 178)", "rgb(213, 94, 0)"} <= {*bands}
    assert page.locator("#legend li").last.inner_text() == "95 % interval (over pages)"
    page.locator("#grid details summary").nth(0).click()
    row = read_tsv(tmp_path / "intervals.tsv")[0]
    low, high = (f"{float(row[f'percentage_{bound}']):.1f}" for bound in ("low", "high"))
    assert page.locator("#grid td").first.inner_text().endswith(f"% ({low} to {high})")
    without = visit(folder / "explorer.html")
    assert "interval" not in without.inner_text("#legend")


def test_what_is_printed_has_every_chart_and_no_controls(visit, folder):
    page = visit(folder / "explorer.html", "#/coreference/cosine/1/5", viewport={"width": 400, "height": 300})
    page.wait_for_selector(".view")
    page.pdf()
    assert page.locator("#grid .chart .main-svg").count() >= page.locator("#grid .chart[aria-label]").count() == 6
    page.emulate_media(media="print")
    assert not page.locator("#tasks").is_visible()
    assert page.locator(".view").first.is_visible()


def of_table(folder, name, task, measure):
    """Return the rows of a table of one task and measure, {checkpoint or recipe: [row of layer 0, ...]}."""
    found = {}
    for row in read_tsv(folder / f"{name}.tsv"):
        if (row["task"], row["measure"]) == (task, measure):
            found.setdefault(row["checkpoint"], []).append(row)
    return found


def traces(page, panel):
    """Return the lines of a chart without its ring: [[name, y, colour, width]]."""
    return (
        page.locator(".chart")
        .nth(panel)
        .evaluate(
            "chart => chart.firstChild.data.slice(0, -1).map((one) => [one.name, one.y, one.line.color, one.line.width])"
        )
    )


def across(page, panel):
    """Return title and ticks of the x-axis of a chart, and {name of a line: x of its points}, the ring among them."""
    return (
        page.locator(".chart")
        .nth(panel)
        .evaluate(
            """chart => [chart.querySelector(".xtitle").textContent,
                [...chart.querySelectorAll(".xtick")].map((tick) => tick.textContent),
                Object.fromEntries(chart.firstChild.data.map((one) => [one.name ?? "ring", one.x]))]"""
        )
    )


def test_lines_of_different_numbers_of_layers_are_drawn_over_relative_depth_and_chosen_by_layer(page):
    title, ticks, lines = across(page, 2)
    assert (title, ticks) == ("Relative depth (layer / last layer)", ["0", "0.25", "0.5", "0.75", "1"])
    assert lines["Before &lt;i&gt;&amp;&lt;/i&gt;"] == [0, 1 / 2, 1]
    assert lines["After"] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    click_point(page.locator(".chart").nth(2), line=1, point=2)
    page.wait_for_selector(".item")
    assert page.inner_text("#count") == "40 of 40 pairs, layer 2"
    assert page.locator("#of option:checked").inner_text() == "After"
    assert across(page, 2)[2]["ring"] == pytest.approx([2 / 3])
    page.select_option("#of", index=0)
    assert across(page, 2)[2]["ring"] == [1]
    page.select_option("#layer", "3")  # which this one does not have
    page.locator("#count", has_text="layer 3").wait_for()
    assert across(page, 2)[2]["ring"] == []
    page.locator(".item").nth(1).click()
    page.wait_for_selector(".view")
    assert "It has no layer 3; its last is 2." in page.locator(".view .rank").all_inner_texts()[0]
    click_point(page.locator("#course .chart"), line=1, point=1)
    page.locator("#at", has_text=re.compile("^1$")).wait_for()


def test_lines_of_one_number_of_layers_are_drawn_over_the_layers(visit, tmp_path):
    page = visit(explored.page(tmp_path, compared=("after", RECIPE)))
    title, ticks, lines = across(page, 2)
    assert (title, ticks) == ("Layer", ["0", "1", "2", "3"])
    assert {tuple(x) for name, x in lines.items() if name != "ring"} == {(0, 1, 2, 3)}


def test_a_recipes_line_is_the_mean_of_its_seeds_and_these_are_thin_lines_of_its_colour(trained, of_recipe):
    rows = of_table(of_recipe, "percentages", "coreference", "euclidean")
    wanted = {name: [float(row["percentage"]) for row in of_name] for name, of_name in rows.items()}
    mean = [sum(values) / 3 for values in zip(*(wanted[name] for name in SEEDS), strict=True)]
    before, recipe, *seeds, _, _ = traces(trained, 3)  # and chance of both
    assert (before[0], before[1]) == ("Before &lt;i&gt;&amp;&lt;/i&gt;", pytest.approx(wanted["before"]))
    assert (recipe[0], recipe[1]) == ("Trained", pytest.approx(mean, abs=1e-4))
    for name, seed in zip(SEEDS, seeds, strict=True):
        assert seed == [explored.LABELS[name], pytest.approx(wanted[name]), recipe[2], 1]
    assert (before[3], recipe[3]) == (2, 2)
    assert trained.locator(".chart").nth(3).locator(".shapelayer path").count() == 2  # their bands
    trained.locator("#grid details summary", has_text="Table").nth(3).click()
    cell = trained.locator("#grid details", has_text="Table").nth(3).locator("tbody td").nth(1).inner_text()
    bounds = of_table(of_recipe, "intervals", "coreference", "euclidean")[RECIPE][0]
    low, high = (float(bounds[f"percentage_{bound}"]) for bound in ("low", "high"))
    assert cell == f"{mean[0]:.1f} % ({low:.1f} to {high:.1f})"


def test_of_a_pair_each_seed_of_a_recipe_can_be_looked_at(trained, of_recipe):
    go(trained, "#/coreference/cosine/2/5")
    shares = [share(ranks(of_recipe, name, "coreference", "cosine", 2)["5"]) for name in SEEDS]
    told = ", ".join(f"{100 * one:.1f}\u00a0%" for one in shares)
    for name in [*SEEDS][::-1]:
        trained.get_by_label("Seed of Trained", exact=True).select_option(label=explored.LABELS[name])
        view = trained.locator(".view").nth(1)
        row = ranks(of_recipe, name, "coreference", "cosine", 2)["5"]
        assert view.locator(".rank").inner_text().startswith(f"Outranks {row['count']} of {row['unmatching']} ")
        assert view.locator(".seeds").inner_text() == f"Mean of 3 seeds: {100 * sum(shares) / 3:.1f}\u00a0% ({told})."
        assert trained.evaluate("document.activeElement.ariaLabel") == "Seed of Trained"
    trained.get_by_label("Seed of Trained", exact=True).select_option(label="Trained, seed 2")
    trained.wait_for_timeout(300)  # the address follows a little later
    address = trained.evaluate("location.hash")
    assert address.endswith("seeds=trained-seed2")
    go(trained, "#/coreference/cosine/2/6")
    assert trained.locator(".view select").evaluate("one => one.selectedOptions[0].label") == "Trained, seed 3"
    go(trained, address)
    assert trained.locator(".view select").evaluate("one => one.selectedOptions[0].label") == "Trained, seed 2"


def test_pairs_are_listed_by_the_mean_over_a_recipes_seeds_and_by_one_seed(trained, of_recipe):
    go(trained, "#/coreference/cosine/1/5")
    of_seeds = [ranks(of_recipe, name, "coreference", "cosine", 1) for name in SEEDS]
    by_seed = [[share(of_seed[str(i)]) for i in range(explored.NUMBER)] for of_seed in of_seeds]
    trained.select_option("#of", label="Trained")
    means = [sum(shares) / 3 for shares in zip(*by_seed, strict=True)]
    found = [means[i] for i in listed(trained)]
    assert found == pytest.approx(sorted(means))
    trained.select_option("#of", label="Trained, seed 1")
    assert listed(trained) == sorted(range(explored.NUMBER), key=lambda i: (by_seed[1][i], i))


def test_a_click_on_a_seeds_point_opens_that_seed(trained):
    go(trained, "#/coreference/cosine/1/5")
    table = trained.locator("#grid details", has_text="Table").nth(2)
    table.locator("summary").click()
    table.locator("tbody tr").nth(3).locator("button").nth(2).click()
    trained.locator("#count", has_text="layer 3").wait_for()
    assert trained.locator("#of").evaluate("one => one.selectedOptions[0].label") == "Trained, seed 1"
    with newly_told(trained):  # the view of the pair before is there until then
        trained.locator(".item").first.click()
    assert trained.locator(".view select").evaluate("one => one.selectedOptions[0].label") == "Trained, seed 1"


def test_a_list_that_scrolls_by_less_than_a_line_while_the_button_is_down_still_opens_the_pair(shared):
    go(shared, "#/coreference/cosine/1/5")
    shared.locator('.item[aria-selected="false"]').first.hover()
    with newly_told(shared):
        shared.mouse.down()
        shared.locator("#rows").dispatch_event("scroll")
        shared.mouse.up()
    assert not shared.inner_text("#where").endswith("example 5")


def test_claims_on_a_recipe_say_so(trained):
    trained.locator(".claims summary").first.click()
    assert trained.locator(".claims summary").first.inner_text() == "Claims: auc = 1 no gap"
    said = [trained.locator(f".claims {tag}").first.inner_text() for tag in ("p", "li")]
    assert said == [
        "Before <i>&</i> to Trained, recipe of 3 seeds:",
        "gap opens late, as the paper says: auc = no gap",
    ]


@pytest.mark.parametrize(("task", "measure"), [("synonyms", "cosine"), ("coreference", "euclidean")])
def test_how_each_run_of_words_would_rank_as_the_anchor_is_listed_with_the_anchor_among_them(shared, folder, task, measure):
    for example, layer in (("5", 2), ("11", 0)):
        pair = next(one for one in explored.pairs(task) if one["example_id"] == example)
        go(shared, f"#/{task}/{measure}/{layer}/{example}")
        place, others = 0 if measure == "cosine" else 1, len(explored.unmatching(pair))
        found = explored.in_the_anchors_place(folder, "before", pair)
        wanted = [(words, 100 * counts[place][layer] / of) for _, words, counts, of in found]
        row = ranks(folder, "before", task, measure, layer)[example]
        own = 100 * (int(row["count"]) + int(row["ties"]) / 2) / others
        side = explored.questions()[int(example)]["question" if task == "synonyms" else "paragraph"]
        anchor = " ".join(side[i] for i in pair["anchor"]["words"])
        items = shared.locator(".view").first.locator(".anchors li")
        shown = items.evaluate_all("all => all.map((one) => [one.className, one.textContent])")
        assert shown[[name for name, _ in shown].index("own")][1] == f"{anchor} {own:.1f} the anchor"
        assert {words for name, words in shown if name != "own"} == {f"{of} {value:.1f}" for of, value in wanted}
        assert len(shown) == len(wanted) + 1
        values = items.locator("b").evaluate_all("all => all.map((one) => Number(one.textContent))")
        assert values == sorted(values, reverse=True)
        mean = sum(value for _, value in wanted) / len(wanted)
        said = f"Other words: {mean:.1f} % on average of {len(wanted)}. The anchor: {own:.1f} %."
        assert shared.locator(".view").first.locator(".anchors p").inner_text() == said


def test_a_boundary_has_no_anchor_to_swap(shared):
    go(shared, "#/boundary/start/1/5")
    assert shared.locator(".view .anchors").all_inner_texts() == ["", ""]


def test_chance_is_null_auc_of_each_and_specific_is_shown_where_it_is_defined(visit, tmp_path):
    arguments = explored.make(tmp_path, compared=("before", RECIPE))
    rows = read_tsv(tmp_path / "percentages.tsv")
    for i, row in enumerate(rows):
        if row["null_auc"]:
            row |= {"null_auc": str(i % 91), "specific": str(i % 17 - 8)}
    write_tsv(tmp_path / "percentages.tsv", tuple(rows[0]), (tuple(row.values()) for row in rows))
    explored.build(str(tmp_path / "explorer.html"), **arguments)
    page = visit(tmp_path / "explorer.html")
    table = of_table(tmp_path, "percentages", "coreference", "cosine")

    def values(key):
        found = {name: [float(row[key]) for row in of_name] for name, of_name in table.items()}
        return found["before"], [sum(of_layer) / 3 for of_layer in zip(*(found[name] for name in SEEDS), strict=True)]

    chances, words = values("null_auc"), float(table["before"][0]["unmatching"]) / float(table["before"][0]["para_len"])
    for value, scale in (("percentage", words), ("auc", 1)):
        page.select_option("#value", value)
        *lines, before, recipe = traces(page, 2)
        assert len(lines) == 5
        assert [before[0], recipe[0]] == ["Chance, Before &lt;i&gt;&amp;&lt;/i&gt;", "Chance, Trained"]
        for line, wanted, of in zip((before, recipe), chances, lines, strict=False):
            assert line[1] == pytest.approx([scale * one for one in wanted], abs=0.01)
            assert line[2] == of[2]
        assert page.locator(".chart").nth(2).locator(".shapelayer path").count() == 0
        assert len(traces(page, 6)) == 5  # of boundary, chance is one line for all
    page.select_option("#value", "specific")
    before, recipe, *seeds = traces(page, 2)
    assert len(seeds) == 3
    assert [before[1], recipe[1]] == [pytest.approx(one, abs=1e-3) for one in values("specific")]
    assert page.locator(".panel figcaption").nth(2).inner_text() == "Cosine similarity, points"
    assert page.locator(".panel").nth(6).inner_text() == "Start position, points\n\nnot defined for this task"
    page.select_option("#value", "auc")
    assert page.locator(".chart").nth(6).is_visible()


def test_on_a_phone_a_chart_is_in_the_first_view_and_filters_unfold(visit, folder):
    page = visit(folder / "explorer.html", viewport={"width": 375, "height": 667})
    box = page.locator(".chart").first.bounding_box()
    assert box["y"] + box["height"] < 667
    assert not page.locator("#value").is_visible()
    page.locator("#which > summary").click()
    page.select_option("#value", "auc")
    page.set_viewport_size({"width": 667, "height": 375})
    assert page.locator("#value").is_visible()
    assert not page.locator("#which > summary").is_visible()


def test_a_chart_that_is_not_drawn_yet_is_not_said_to_be_undefined(visit, folder):
    page = visit(folder / "explorer.html", viewport={"width": 360, "height": 600})
    assert page.locator(".panel:not(:has(.main-svg))").count()
    assert page.locator(".missing:visible").count() == 0


def test_words_from_right_to_left_are_read_so_and_an_anchor_stands_before_its_match(visit, tmp_path, monkeypatch):
    hebrew = {"Mary": "מרים", "lived": "גרה", "she": "היא", "Rome": "רומא", "where": "איפה"}
    rows = [
        row | {side: [hebrew.get(word, word) for word in row[side]] for side in ("question", "paragraph")}
        for row in explored.questions()
    ]
    monkeypatch.setattr(explored, "questions", lambda: rows)
    explored.page(tmp_path)
    page = visit(tmp_path / "explorer.html")
    go(page, "#/coreference/cosine/1/4")
    assert (
        page.locator("#pair-title").inner_text()
        == f"\u2068{hebrew['Mary']} {hebrew['lived']}\u2069 → \u2068{hebrew['she']}\u2069"
    )
    places = page.locator("#pair-title").evaluate(
        """title => ["מרים", "גרה", "→", "היא"].map(word => {
          const range = document.createRange(), at = title.firstChild.data.indexOf(word);
          range.setStart(title.firstChild, at); range.setEnd(title.firstChild, at + word.length);
          return range.getBoundingClientRect().left;
        })"""
    )
    first, second, arrow, match = places
    assert second < first < arrow < match
    paragraph = page.locator(".view .text").nth(1)
    assert paragraph.evaluate("text => getComputedStyle(text).direction") == "rtl"
    boxes = [paragraph.locator(".w").nth(i).bounding_box() for i in (0, 1)]
    assert boxes[0]["x"] > boxes[1]["x"]


# Pairs from a file: single texts without a question, several pairs in one of them.

TEXT = "The old soup was hot, but the new one is cold."


@pytest.fixture(scope="module")
def page_of_texts(tmp_path_factory):
    """The page of three pairs in two texts."""
    folder, dice = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    other = TextPair("A day, then a night.", "day", "night", group="time", id="last")
    examples, rows = resolve([TextPair(TEXT, "hot", "cold"), TextPair(TEXT, "old", "new"), other])
    vectors = {e.example_id: (np.zeros((2, 0, 4)), dice.normal(size=(2, len(e.paragraph), 4))) for e in examples}
    activations = write_store(folder / "a.h5", vectors, view="text")
    files.write_json_lines(folder / "examples.jsonl.gz", examples)
    files.write_json_lines(folder / "mine.jsonl", rows)
    paths = {name: str(folder / name) for name in ("s.h5", "r.tsv", "percentages.tsv", "explorer.html")}
    measuring.measure_similarities(str(activations), {"mine": rows}, examples, paths["s.h5"])
    with Similarities([paths["s.h5"]]) as similarities:
        pair_ranking.rank_pairs(rows, examples, similarities.pairs("mine"), paths["r.tsv"])
    write_tsv(paths["percentages.tsv"], PERCENTAGE_FIELDS, percentages([("bert", "mine", paths["r.tsv"])]))
    checkpoint = Checkpoint("bert", {"mine": paths["r.tsv"]}, {"mine": [paths["s.h5"]]})
    sets, read = {"mine": str(folder / "mine.jsonl")}, [str(folder / "examples.jsonl.gz")]
    build(paths["explorer.html"], paths["percentages.tsv"], read, sets, [checkpoint], Settings("texts"))
    return paths["explorer.html"]


@pytest.mark.parametrize(
    ("name", "title", "where"),
    [("0", "hot → cold", "The old soup was"), ("1", "old → new", "The old soup was"), ("last", "day → night", "“time”")],
)
def test_each_pair_of_a_text_has_an_address_and_shows_its_text_alone(visit, page_of_texts, name, title, where):
    page = visit(page_of_texts, f"#/mine/cosine/1/{name}")
    page.locator("#pair-title", has_text=title).wait_for()
    said = page.locator("#where").inner_text()
    assert where in said
    assert said.endswith(f"pair {name}")
    assert page.locator(".view h4").all_inner_texts() == ["In the anchor's place", "Text"]
    assert page.locator(".view .text").count() == 1
    assert page.locator(".item .question").count() == 3
    assert page.evaluate("location.hash") == f"#/mine/cosine/1/{name}"


# Answers.


@pytest.fixture(scope="module")
def answered(browser, tmp_path_factory):
    """One page of a run with answers of a recipe and its seeds."""
    folder = tmp_path_factory.mktemp("answered")
    explored.page(folder, compared=("before", RECIPE), answering=tuple(SEEDS))
    with visits(browser) as opened:
        yield opened(folder / "explorer.html")


def test_pairs_are_filtered_by_how_their_question_is_answered(answered):
    page, scores = answered, explored.answers(*SEEDS)
    page.evaluate("() => { location.hash = '#/coreference/cosine/1'; }")
    page.wait_for_selector(".item")
    page.select_option("#order", "set")

    def wanted(holds, seeds):
        exact = {i: [scores[one][str(i)][0] for one in seeds] for i in range(explored.NUMBER) if i != 4}
        return [i for i, found in exact.items() if holds(sum(found), len(found))]

    assert page.locator("#answerer option").all_inner_texts() == ["Trained", *(f"Trained, seed {one[-1]}" for one in SEEDS)]
    kinds = {"right": lambda n, of: n == of, "wrong": lambda n, of: not n, "some": lambda n, of: 0 < n < of}
    for by, seeds in (("Trained", [*SEEDS]), ("Trained, seed 1", ["trained-seed1"])):
        page.select_option("#answerer", label=by)
        for kind, holds in kinds.items():
            page.select_option("#answered", kind)
            assert listed(page) == wanted(holds, seeds)
            assert bool(wanted(holds, seeds)) == (len(seeds) > 1 or kind != "some")
    page.select_option("#answered", "")
    assert listed(page) == [*range(explored.NUMBER)]


def test_a_pair_is_listed_and_opened_with_the_f1_of_its_question(answered):
    page, scores = answered, explored.answers(*SEEDS)
    go(page, "#/coreference/cosine/1/4?answerer=1")
    assert page.locator("#answered-by li").all_inner_texts() == ["The question is answered by Trained: not scored"]
    for name in ("5", "7", "12"):
        go(page, f"#/coreference/cosine/1/{name}?answerer=1&order=set")
        found = [scores[one][name] for one in SEEDS]
        right, each = sum(exact for exact, _ in found), ", ".join(f"{f1:.2f}" for _, f1 in found)
        told = {0: "wrong", 3: "right"}.get(right, f"right by {right} of 3 seeds")
        mean = sum(f1 for _, f1 in found) / 3
        said = f"{told}, F1 {mean:.2f}"
        assert page.locator("#answered-by li").all_inner_texts() == [
            f"The question is answered by Trained: {said} ({each})"
        ]
        assert page.locator('.item[aria-selected="true"] .question').inner_text().startswith(f"{said} · where did")


def test_how_pairs_are_filtered_by_answers_stands_in_the_address(answered):
    page = answered
    go(page, "#/coreference/cosine/1/5?answered=wrong&answerer=2")
    assert (page.input_value("#answered"), page.input_value("#answerer")) == ("wrong", "2")
    page.select_option("#answered", "right")
    page.wait_for_function("() => location.hash.includes('answered=right')")
    assert "answerer=2" in page.evaluate("location.hash")


def test_a_page_without_answers_has_no_filter_for_them(shared):
    assert shared.locator("#answered, #answerer, .answered, #answered-by").count() == 0
