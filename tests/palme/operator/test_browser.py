"""The console in a real browser: see, take over, jog, hand back, say, stop; by key, finger and gamepad."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tests.console_fakes import eventually

for needed in ("starlette", "uvicorn", "websockets", "PIL"):
    pytest.importorskip(needed)

from palme.cli.bench.browser import chromium, why_not  # noqa: E402
from palme.operator.operator import Jog, Reply, StepStatus  # noqa: E402
from palme.operator.rehearsal.arm import LineArm  # noqa: E402
from palme.operator.rehearsal.operator import RehearsalOperator  # noqa: E402
from palme.operator.run_phase import RunPhase, run_end  # noqa: E402
from palme.operator.server import serve  # noqa: E402
from palme.operator.typed_lines import TypedLines  # noqa: E402

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


class RecordingOperator(RehearsalOperator):
    """Records jogs and disconnections. Its cameras run only while `filming`, to save time."""

    def __init__(self):
        super().__init__()
        self.jogs, self.gone, self.reached, self.filming = [], [], [], False

    def draw(self):
        if self.filming or not self._pictures:
            super().draw()

    def reset(self):
        with self._lock:
            self.jogs, self.gone, self.reached, self.filming = [], [], [], False
            self._done.clear()
            self._at, self._typed_step, self._block = 0, "", np.array([0.40, -0.16, 0.022])
            self._arm = LineArm()
            self._set("autonomous", "policy", "run started")
            self.lines, self.phase = TypedLines("put it there"), RunPhase()

    def jog(self, who: str, jog: Jog) -> Reply:
        self.jogs.append((time.monotonic(), jog))
        return super().jog(who, jog)

    def reach(self, who: str, camera: str, u: float, v: float) -> Reply:
        self.reached.append((camera, u, v))
        return super().reach(who, camera, u, v)

    def disconnect(self, who: str) -> None:
        self.gone.append(who)
        super().disconnect(who)

    @property
    def xyz(self):
        return self._arm.xyz.copy()

    @property
    def still(self):
        return self._arm.still


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def rig():
    # Longer than any test waits: only the end of a connection disconnects. The 0.3 s are tested elsewhere.
    with RecordingOperator() as operator, serve(operator, timeout=60.0, announce=lambda _: None) as console:
        yield operator, console


@pytest.fixture
def operator(rig):
    eventually(lambda: rig[1].clients.connected.keys() <= {"console 1"})  # pages of earlier tests are closed
    rig[0].reset()
    return rig[0]


@pytest.fixture
def console(rig, operator):
    return rig[1]


@contextmanager
def person(browser, console, **settings):
    """A page of somebody's own, opened and connected; whatever the browser complains of fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | settings)
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.complaints = complaints
    page.goto(console.address)
    page.wait_for_selector("body[data-connection=open]:not([data-mode=''])")
    yield page
    context.close()
    assert not complaints


@pytest.fixture(scope="module")
def one_page(browser, rig):
    with person(browser, rig[1]) as page:
        yield page


@pytest.fixture
def page(one_page, operator):
    """Always the same page, console 1: opening one takes a second."""
    one_page.wait_for_selector("body[data-mode=autonomous][data-phase=running]")
    yield one_page
    for key in ("a", "d", "e", "w", "Shift", "Enter"):
        one_page.keyboard.up(key)
    one_page.keyboard.press("1")
    one_page.evaluate("document.activeElement.blur()")


def mode(page, name):
    page.wait_for_selector(f"body[data-mode={name}]")


def take(page):
    page.keyboard.press("t")
    page.wait_for_selector("body[data-mode=correcting].may-move")


def pixels(page):
    return page.evaluate("document.getElementById('main').toDataURL('image/png')")


# -- see -------------------------------------------------------------------------------------------------


def test_the_picture_moves_and_tells_its_age(page, operator):
    operator.filming = True
    eventually(lambda: page.inner_text("#main-age").endswith(" ms"))
    first = pixels(page)
    eventually(lambda: pixels(page) != first)
    page.keyboard.press("2")
    assert page.inner_text("#main-name") == "side"


def test_a_picture_that_grew_old_does_not_look_fresh(page, operator):
    operator.filming = True
    page.wait_for_selector("#main-old", state="hidden")
    operator.filming = False
    page.wait_for_selector(".is-old #main-old:not([hidden])")
    assert re.fullmatch(r"This image is [\d.]+ m?s old", page.inner_text("#main-old"))
    operator.filming = True
    page.wait_for_selector("#main-old", state="hidden")


def test_what_stands_on_the_operator_is_read(page, operator):
    page.wait_for_selector("#sentence .said")
    assert page.inner_text("#instruction") == operator.status().instruction
    assert "robot :" in page.inner_text("#sentence")
    assert page.locator("#joints li").count() == 6
    assert "policy has control" in page.inner_text("#holder")
    eventually(lambda: " %" in page.inner_text("#steps li[aria-current]"))
    eventually(lambda: re.search(r"arm \d+ ms", page.inner_text("#health")))


def test_the_sentence_brings_nothing_but_words_and_pictures(page):
    shown = page.evaluate("""async () => {
        const { showSentence } = await import("/files/sentence.js");
        showSentence('<p class="sentence" onclick="x()">a <b>b</b><script>document.title = "no"</script>'
            + '<img src="http://127.0.0.1:1/no.png"><img src="data:image/png;base64,AAAA"></p>'
            + '<a href="#">c</a>');
        return document.getElementById("sentence").innerHTML;
    }""")
    assert "onclick" not in shown and "script>" not in shown and "no.png" not in shown and "<a" not in shown
    page.complaints.clear()  # the browser says that it did not run what it did not copy
    assert 'src="data:image/png;base64,AAAA"' in shown and page.title() == "palme · console"


def test_nothing_is_asked_of_anybody_else(browser, console):
    asked = []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(console.address)
    page.wait_for_selector("body[data-connection=open]")
    context.close()
    assert len(asked) > 10
    assert all(url.startswith((f"http://127.0.0.1:{console.port}/", "data:")) for url in asked)


def test_a_wrong_token_is_said_and_the_right_one_let_in(browser, console):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{console.port}/?token=of-another-run-1")
    assert "Wrong token" in page.inner_text("h1")
    page.fill("#token", console.token)
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-connection=open]")
    context.close()


# -- take over, jog, hand back -----------------------------------------------------------------------------


def test_take_over_in_the_middle_of_a_motion_jog_and_hand_back_with_keys_alone(page, operator):
    eventually(lambda: not operator.still)
    take(page)
    assert operator.status().holder == "console 1"
    eventually(lambda: operator.still)
    before = operator.xyz
    page.keyboard.down("a")
    eventually(lambda: operator.xyz[1] > before[1] + 0.02)
    assert page.locator(".pad.held").count() == 1
    page.keyboard.up("a")
    eventually(lambda: operator.still)
    said = [jog for _, jog in operator.jogs]
    assert said[0] == Jog((0.0, 1.0, 0.0)) and said[-1] == Jog() and said.count(Jog()) == 1
    page.keyboard.press("h")
    mode(page, "autonomous")
    assert page.inner_text("#message") == "handed back by console 1: replanning"
    assert "corrected" in page.inner_text("#steps")


@pytest.mark.timing
def test_a_jog_is_repeated_every_40_ms(page, operator):
    take(page)
    page.keyboard.down("e")
    eventually(lambda: len(operator.jogs) > 25)
    page.keyboard.up("e")
    steps = np.diff([t for t, _ in operator.jogs[:25]])
    assert 0.030 < np.median(steps) < 0.060


def test_a_jog_is_slower_with_shift(page, operator):
    take(page)
    page.keyboard.down("Shift")
    page.keyboard.down("e")
    eventually(lambda: operator.jogs and operator.jogs[-1][1] == Jog((0.0, 0.0, 0.3)))
    page.keyboard.down("d")
    eventually(lambda: operator.jogs[-1][1] == Jog((0.0, -0.3, 0.3)))


def test_nothing_moves_that_is_not_ours(page, operator):
    page.keyboard.down("w")
    page.wait_for_selector("#message.refused")
    assert "take over first" in page.inner_text("#message")
    page.keyboard.press("t")
    mode(page, "correcting")
    page.wait_for_timeout(200)
    assert not operator.jogs  # a key that was down before counts when it is pressed anew


@pytest.mark.parametrize(
    "event",
    [f"dispatchEvent(new Event('{name}'))" for name in ("blur", "pagehide")]
    + ["document.dispatchEvent(new Event('visibilitychange'))"],
)
def test_what_was_held_is_let_go_when_the_page_is_left(page, operator, event):
    take(page)
    page.keyboard.down("a")
    eventually(lambda: operator.jogs)
    page.evaluate(event)
    eventually(lambda: operator.jogs[-1][1] == Jog())
    n = len(operator.jogs)
    page.wait_for_timeout(150)
    assert len(operator.jogs) == n


def test_holding_the_picture_brings_the_tool_there(page, operator):
    take(page)
    eventually(lambda: operator.still)
    before = operator.xyz
    box = page.locator("#main").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    page.mouse.down()
    eventually(lambda: operator.xyz[1] > before[1] + 0.03)
    page.mouse.up()
    assert page.evaluate("document.activeElement.tagName") == "BODY"  # arrows go on turning the tool
    eventually(lambda: operator.still)
    camera, u, v = operator.reached[-1]
    assert camera == "front" and abs(u - 0.75 * 640) < 3 and abs(v - 0.75 * 480) < 3
    n = len(operator.reached)
    page.focus("#main")
    page.keyboard.press("ArrowLeft")
    page.keyboard.down("Enter")
    eventually(lambda: len(operator.reached) > n)
    page.keyboard.up("Enter")
    assert operator.reached[-1][1] < u


def test_a_gamepad_moves_takes_and_stops(browser, console, operator):
    with person(browser, console) as page:
        page.evaluate("""() => {
            window.pad = { connected: true, axes: [0, 0, 0, 0],
                buttons: Array.from({ length: 16 }, () => ({ pressed: false, value: 0 })) };
            navigator.getGamepads = () => [window.pad];
            window.dispatchEvent(new Event("gamepadconnected"));
        }""")
        press = "k => { pad.buttons[k] = { pressed: true, value: 1 }; }"
        page.evaluate("pad.axes[1] = -1")  # held before the arm is ours: counts only after it was at rest
        page.evaluate(press, 9)
        mode(page, "correcting")
        page.wait_for_timeout(150)
        assert not operator.jogs
        page.evaluate("pad.axes[1] = 0.05")
        page.wait_for_timeout(100)
        page.evaluate("pad.axes[1] = -1")
        eventually(lambda: operator.jogs and operator.jogs[-1][1] == Jog((1.0, 0.0, 0.0)))
        page.evaluate("pad.axes[1] = 0")
        eventually(lambda: operator.jogs[-1][1] == Jog())
        page.evaluate(press, 1)
        mode(page, "stopped")
        assert re.search(r"gamepad of console \d", operator.status().message)


# -- say ---------------------------------------------------------------------------------------------------


def test_a_step_is_retyped(page, operator):
    page.keyboard.press("/")
    page.keyboard.type("no, the other bowl")  # its spaces stop nothing
    page.keyboard.press("Enter")
    eventually(lambda: operator.status().steps[-1].text == "no, the other bowl")
    page.wait_for_selector(".state.replaced")
    assert operator.status().mode == "autonomous"
    page.click("#steps .edit")
    eventually(lambda: page.input_value("#correction"))
    page.fill("#correction", "pick the green block")
    page.click("#correct button")
    eventually(lambda: operator.status().steps[-1].text == "pick the green block")


# -- stop --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["Space", "Space on a button", "Esc while typing", "button", "Enter on the button"]
)
def test_stop_is_one_press_away(page, operator, how):
    eventually(lambda: not operator.still)
    if how == "Space on a button":
        page.focus("#take")
    if how == "Esc while typing":
        page.keyboard.press("/")
        page.keyboard.type("put it")
    if how == "Enter on the button":
        page.focus("#stop")
    if how == "button":
        page.click("#stop")
    else:
        page.keyboard.press({"Sp": "Space", "Es": "Escape", "En": "Enter"}[how[:2]])
    mode(page, "stopped")
    eventually(lambda: operator.still)
    told = {"Sp": "Space", "Es": "Esc"}.get(how[:2], "button")
    assert operator.status().message == f"stopped: {told} of console 1"
    page.keyboard.press("Escape")  # and leaves the field, if one was typing
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("r")
    mode(page, "paused")


def test_without_a_line_the_page_says_that_it_cannot_stop(browser, operator):
    console = serve(operator, timeout=60.0, announce=lambda _: None)
    with person(browser, console) as page:
        take(page)
        page.keyboard.down("a")
        eventually(lambda: operator.jogs)
        console.stop()
        page.wait_for_selector("#alert:not([hidden])")
        assert "nothing on this page reaches the arm, not even a stop" in page.inner_text("#alert")
        assert operator.gone == ["console 1"] and operator.status().mode == "paused"
        page.keyboard.press("Space")  # finds no line, and is said as soon as there is one
        with serve(operator, port=console.port, token=console.token, timeout=60.0, announce=lambda _: None):
            page.wait_for_selector("#alert", state="hidden")  # by itself
            eventually(lambda: operator.status().message == "stopped: Space of console 1")
            eventually(lambda: operator.still)  # and nothing is held any more
            page.goto("about:blank")
        assert all("ERR_CONNECTION" in text or "WebSocket" in text for text in page.complaints)
        page.complaints.clear()


# -- begin and end -----------------------------------------------------------------------------------------

LIVE = """[...document.querySelectorAll("button, input")].filter((one) => one.offsetParent && !one.disabled
    && one.getAttribute("aria-disabled") !== "true").map((one) => one.id || one.textContent.trim())"""
KEYS = ["t", "h", "p", "r", "w", "a", "e", "o", "/", "Enter", "Space", "Escape", "1"]


def phase(page, name):
    page.wait_for_selector(f"body[data-phase={name}]")


def ended(operator, kind="done", title="Done, as far as the model can see", reason="nothing is left to do"):
    operator.lines.close("the run ended")
    operator.phase.finish(run_end(kind, title, reason))


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_run_waits_for_start_and_nothing_moves_before(page, operator, how):
    operator.phase = RunPhase(waits=True)
    eventually(lambda: operator.still)
    before = operator.xyz
    operator.phase.opened("console 1")
    phase(page, "waiting")
    eventually(lambda: "begins by itself in" in page.inner_text("#phase-note"))
    live = {name.partition(" ")[0] for name in page.evaluate(LIVE)}
    assert live == {"help", "start", "wait", "front", "side", "stop"}
    for key in ("t", "p", "w", "/"):
        page.keyboard.press(key)
    page.click("#wait")
    eventually(lambda: "when Start is pressed" in page.inner_text("#phase-note"))
    assert not operator.jogs and np.array_equal(operator.xyz, before)
    page.evaluate("document.activeElement.blur()")
    page.click("#start") if how == "click" else page.keyboard.press("Enter")
    phase(page, "running")
    eventually(lambda: not np.array_equal(operator.xyz, before))
    assert operator.phase.begun_by == "console 1"


@pytest.mark.parametrize(
    ("kind", "title"),
    [("achieved", "Achieved"), ("refused", "Refused"), ("stopped", "Stopped"), ("crashed", "Crashed")],
)
def test_the_end_is_said_and_nothing_looks_alive_after_it(page, operator, kind, title):
    take(page)
    page.keyboard.down("a")
    eventually(lambda: operator.jogs)
    ended(operator, kind, title, "it is so")
    phase(page, "ended")
    eventually(lambda: "ended at" in page.inner_text("#main-frozen"))
    assert page.inner_text("#phase-title") == title and "It is so." in page.inner_text("#phase")
    assert page.inner_text("#mode") == "Ended" and not page.is_visible("#alert")
    eventually(lambda: page.evaluate(LIVE) == ["help", "front · ended", "side · ended"])
    page.keyboard.up("a")
    n, message = len(operator.jogs), operator.status().message
    for key in KEYS:
        page.keyboard.press(key)
    page.wait_for_timeout(150)
    assert len(operator.jogs) <= n + 1 and operator.status().message == message
    assert page.locator("#message.refused").count() == 0


def test_the_end_stays_when_the_run_s_program_is_gone(browser, operator):
    console = serve(operator, timeout=60.0, announce=lambda _: None)
    with person(browser, console) as page:
        ended(operator)
        phase(page, "ended")
        page.reload()
        phase(page, "ended")  # and for whoever opens it later
        shown = {"help", "front · ended", "side · ended"}
        eventually(lambda: set(page.evaluate(LIVE)) == shown)  # each picture has come once before the end
        console.stop()
        eventually(lambda: "program has closed" in page.inner_text("#phase-note"))
        page.keyboard.press("Space")
        page.wait_for_timeout(200)
        assert page.inner_text("#phase-title") == "Done, as far as the model can see"
        assert not page.is_visible("#alert") and "ended at" in page.inner_text("#main-frozen")
        assert set(page.evaluate(LIVE)) == shown
        page.goto("about:blank")
        page.complaints.clear()


def test_without_a_line_nothing_looks_alive(browser, operator):
    console = serve(operator, timeout=60.0, announce=lambda _: None)
    with person(browser, console) as page:
        console.stop()
        page.wait_for_selector("#alert:not([hidden])")
        assert "No line to the run" in page.inner_text("#alert")
        live = page.evaluate(LIVE)
        assert all(name == "help" or name.startswith(("front", "side")) for name in live)
        page.goto("about:blank")
        page.complaints.clear()


def test_each_typed_line_is_shown_with_its_state(page, operator):
    operator.lines.add("console 2", "the red <b>one</b>", None, None)
    operator.lines.add("console 1", "no, the blue one", None, None)
    operator.lines.settle("console 1", "the purple bowl", "refused", "no such bowl")
    page.wait_for_selector("#lines li.refused")

    def states():
        return page.evaluate("[...document.querySelectorAll('#lines li')].map((one) => one.className)")

    assert states() == ["waiting", "replaced", "waiting", "refused"]
    text = page.inner_text("#lines")
    assert "“the red <b>one</b>”" in text and "console 2 · by the newer “no, the blue one”" in text
    assert "console 1 · no such bowl" in text
    ended(operator)
    eventually(lambda: states() == ["lost", "replaced", "lost", "refused"])


def test_a_probability_says_what_it_is_of(page, operator):
    with operator._lock:
        operator._done.append(StepStatus("put it there", "failed", 0.01))
    eventually(lambda: "success probability 1 %" in page.inner_text("#steps"))
    assert "step probability 97 %" in page.inner_text("#steps li[aria-current]")


# -- two, and one that goes ----------------------------------------------------------------------------------


def test_of_two_browsers_the_second_is_refused_by_name_and_may_stop(browser, console, page, operator):
    first = page
    with person(browser, console) as second:
        take(first)
        eventually(lambda: "console 1 has control" in second.inner_text("#holder"))
        assert "you are console 2" in second.inner_text("#holder")
        second.keyboard.press("t")
        second.wait_for_selector("#message.refused")
        assert second.inner_text("#message") == "console 1 has control"
        assert operator.status().holder == "console 1"
        second.keyboard.press("Space")
        mode(first, "stopped")
        assert "console 2" in first.inner_text("#message")


def test_a_tab_closed_in_the_middle_of_a_motion_stops_it(browser, console, operator):
    with person(browser, console) as page:
        take(page)
        page.keyboard.down("a")
        eventually(lambda: operator.jogs and not operator.still)
        page.close()
        eventually(lambda: operator.status().mode == "paused")
        eventually(lambda: operator.still)
        assert len(operator.gone) == 1 and operator.status().holder == ""


# -- a phone, a dark room, no mouse ------------------------------------------------------------------------


def test_on_a_phone_everything_is_in_reach_of_a_thumb(browser, console, operator):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    context = browser.new_context(**phone, color_scheme="dark")
    page = context.new_page()
    page.goto(console.address)
    page.wait_for_selector("body[data-connection=open]:not([data-mode=''])")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("#stop", "#take", "#hand_back", "#pause", "#rearm", ".pad >> nth=0", ".pad >> nth=11"):
        box = page.locator(name).bounding_box()
        assert box["width"] >= 44 and box["height"] >= 44 and 0 <= box["x"] <= 390 - box["width"], name
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    box = page.locator("#stop").bounding_box()
    assert box["y"] + box["height"] <= 844  # reachable however far one has read
    page.evaluate("scrollTo(0, 0)")
    page.tap("#take")
    page.wait_for_selector("body.may-move")
    box = page.locator(".pad[data-jog='y+']").bounding_box()
    touch = context.new_cdp_session(page)
    thumb = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [thumb]})
    eventually(lambda: operator.jogs and operator.jogs[-1][1] == Jog((0.0, 1.0, 0.0)))
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    eventually(lambda: operator.jogs[-1][1] == Jog())
    page.tap("#stop")
    mode(page, "stopped")
    context.close()


def test_it_is_dark_unless_light_is_wanted(browser, console):
    def ground(page):
        return sum(
            map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
        )

    with person(browser, console, color_scheme="dark") as page:
        assert ground(page) < 150
        page.keyboard.press("?")
        page.click("#theme")
        assert ground(page) > 600
        page.reload()
        page.wait_for_selector("body[data-connection=open]")
        assert ground(page) > 600  # kept
    with person(browser, console, color_scheme="light") as page:
        assert ground(page) > 600


def test_every_button_is_reached_with_the_keyboard_and_its_focus_is_seen(page, operator):
    reached = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        name, outline = page.evaluate("""() => {
            const at = document.activeElement;
            return [at.id || at.dataset.jog || at.tagName, getComputedStyle(at).outlineStyle];
        }""")
        if name != "BODY":
            reached.add(name)
            assert outline == "solid", name
    assert reached >= {
        "help",
        "main",
        "stop",
        "take",
        "hand_back",
        "pause",
        "rearm",
        "correction",
        "slow",
        "z+",
        "open",
    }
    page.focus("#take")
    page.keyboard.press("Enter")
    mode(page, "correcting")
    page.focus(".pad[data-jog='z+']")
    page.keyboard.down("Enter")
    eventually(lambda: operator.jogs and operator.jogs[-1][1] == Jog((0.0, 0.0, 1.0)))
    page.keyboard.up("Enter")
    eventually(lambda: operator.jogs[-1][1] == Jog())
