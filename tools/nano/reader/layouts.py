# SPDX-License-Identifier: Apache-2.0
"""The kinds of pages. Each function fills a sheet of any size in reading order, line by line, left to right, with letters of about
the size it is given, and notes what may be asked: facts (what is the total?), a grid of cells."""

import datetime

import entities
import numpy as np

from . import sheet as P
from .stock import code, digits, pick, price

GOODS = """Milk 1l|Whole milk|Bread|Rye bread|Butter|Eggs 10|Cheese|Apples|Bananas|Potatoes 2kg|Tomatoes|Onions|Coffee|Green tea|Orange juice|Water 6x1.5l|Sugar|Flour
|Rice 1kg|Pasta|Olive oil|Salt|Pepper|Yoghurt|Cream|Chicken|Minced beef|Salmon|Ham|Soap|Shampoo|Toothpaste|Batteries AA|Light bulb|Paper towels|Notebook A5|Pencil|Pen blue
|Stamps|Envelopes|USB cable|Mouse pad|Headphones|Socks|T-shirt L|Gloves|Candle|Flower pot|Screws 4x40|Paint white|Brush 25mm|Glue|Tape|Espresso|Cappuccino|Sandwich|Soup of the day
|Caesar salad|Burger|French fries|Lemonade|Mineral water|Beer 0.5|House wine|Ice cream|Parking|Ticket adult|Ticket child|Repair|Consulting|Hosting|Support|Licence|Delivery""".replace(
    "\n", ""
).split("|")
SHOPS = "CORNER SHOP|City Market|Green Grocer|Books & More|Hardware Direct|Café Central|The Bakery|Station Kiosk|FRESH FOODS|Super Saver|Garden Centre|Night Pharmacy|Sports World|Paper House|Joe's Diner|Quick Stop".split(
    "|"
)
NAMES = "Anna|Peter|Maria|John|Linda|Thomas|Sofia|David|Emma|Lucas|Nina|Oliver|Grace|Henry|Clara|Simon|Julia|Martin|Alice|Robert".split("|")
FAMILIES = "Smith|Miller|Garcia|Novak|Müller|Rossi|Johnson|Brown|Kowalski|Andersson|Dubois|Silva|Jensen|Walker|Fischer|Moreau|Hughes|Baker|Santos|Lindqvist".split(
    "|"
)
STREETS = "Main Street|Station Road|Park Avenue|High Street|Church Lane|Mill Road|Oak Drive|Bridge Street|King Street|Harbour Way".split("|")
CITIES = "London|Boston|Dublin|Oslo|Lisbon|Hamburg|Toronto|Leeds|Austin|Geneva|Malmö|Porto|Zürich|Lyon".split("|")
CURRENCIES = ("", "$", "€", "£", " EUR", " USD")
FIELDS = "Name|First name|Last name|Date|Date of birth|Address|City|Postcode|Country|Phone|E-mail|Order no.|Customer no.|Account|Reference|Amount|Quantity|Department|Title|Signature|Weight|Size|Colour|Serial no.|Version|Status|Type|Path|Host|Port|User name|Language".split(
    "|"
)
BUTTONS = "OK|Cancel|Apply|Save|Close|Help|Yes|No|Next >|< Back|Finish|Browse...|Delete|Add|Edit|Reset|Retry|Open|Print|Continue|Log in|Sign up|Search".split(
    "|"
)
MENUS = "File|Edit|View|Search|Tools|Options|Window|Help|Format|Insert|Run|Terminal|Project|Build|Debug".split("|")
SIGNS = "EXIT|NO ENTRY|STOP|PRIVATE|CAUTION|WET FLOOR|PUSH|PULL|OPEN|CLOSED|NO SMOKING|PLATFORM|TICKETS|FIRE EXIT|KEEP OUT|STAFF ONLY|PLEASE WAIT HERE|NO PARKING|SALE|DANGER|HIGH VOLTAGE|WAY OUT|LIFT|TOILETS|RECEPTION|CASH ONLY".split(
    "|"
)


def date(rng):
    d = datetime.date(1990, 1, 1) + datetime.timedelta(int(rng.integers(14000)))
    return d.strftime(pick(rng, ("%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", "%d %B %Y", "%b %d, %Y", "%d/%m/%y")))


def time(rng):
    return f"{rng.integers(24):02}:{rng.integers(60):02}" + (f":{rng.integers(60):02}" if rng.random() < 0.3 else "")


def money(rng, amount, sign):
    text = f"{amount:,.2f}" if rng.random() < 0.3 else f"{amount:.2f}"
    return sign + text if sign in "$€£" else text + sign


def person(rng):
    return f"{pick(rng, NAMES)} {pick(rng, FAMILIES)}"


def value(rng, st, field):
    """A likely value of a field."""
    f = field.lower()
    if "date" in f:
        return date(rng)
    if "mail" in f:
        return f"{pick(rng, NAMES).lower()}.{code(rng, 3, 6).lower()}@{st.word(rng).lower().replace(chr(39), '')}.{pick(rng, ('com', 'org', 'net', 'de'))}"
    if "phone" in f:
        return f"+{rng.integers(1, 99)} {digits(rng, 2, 3)} {digits(rng, 5, 7)}"
    if any(k in f for k in ("no.", "account", "reference", "serial")):
        return code(rng, 2, 3) + pick(rng, ("-", "", " ", "/")) + digits(rng, 3, 7)
    if any(k in f for k in ("amount", "weight", "quantity", "port", "size")):
        return price(rng, 3000) if rng.random() < 0.6 else digits(rng, 1, 5)
    if "address" in f:
        return f"{rng.integers(1, 300)} {pick(rng, STREETS)}"
    if f == "city":
        return pick(rng, CITIES)
    if "postcode" in f:
        return digits(rng, 5, 5)
    if "path" in f:
        return "/" + "/".join(st.word(rng).lower().replace("'", "") for _ in range(rng.integers(2, 5)))
    if "version" in f:
        return f"{rng.integers(9)}.{rng.integers(20)}.{rng.integers(30)}"
    if "name" in f or "signature" in f:
        return person(rng)
    return " ".join(st.running(rng, int(rng.integers(1, 3))))[:24]


def line_height(rng, size, low=1.15, high=1.7):
    return size * rng.uniform(low, high)


def receipt(s, rng, st, size):
    size = min(size, max(9, s.width // 13))
    face = st.face(rng, ("mono", "matrix", "sans", "mono", "narrow"), size)
    bold = st.sized(face.path, face.style, int(size * rng.uniform(1.1, 1.6)))
    width = min(s.width * rng.uniform(0.9, 0.97), size * rng.uniform(13, 24))
    left = (s.width - width) / 2
    right, y, step = left + width, size * rng.uniform(1.2, 2.2), line_height(rng, size)
    sign = pick(rng, CURRENCIES)
    s.centre(s.width / 2, y, pick(rng, SHOPS), bold, new=True)
    y += step * 1.2
    for line in (
        [f"{rng.integers(1, 300)} {pick(rng, STREETS)}", f"{digits(rng, 5, 5)} {pick(rng, CITIES)}"],
        [f"Tel. {digits(rng, 3, 4)} {digits(rng, 4, 6)}"],
        [],
    ):
        if rng.random() < 0.4:
            for part in line:
                s.centre(s.width / 2, y, part, face, new=True)
                y += step
    s.text(left, y, date(rng), face, new=True)
    s.right(right, y, time(rng), face)
    y += step * 1.3
    room, sum_, quantity = int((s.height - y) / step) - 3, 0.0, rng.random() < 0.3
    for _ in range(min(max(1, room - int(rng.integers(0, 4))), int(rng.integers(2, 22)))):
        amount = float(price(rng, 60))
        many = int(rng.integers(2, 5)) if quantity and rng.random() < 0.4 else 1
        name = pick(rng, GOODS) if rng.random() < 0.8 else st.word(rng)
        name = name.upper() if rng.random() < 0.3 else name
        end = money(rng, amount * many, sign)
        if face.length(name) + face.length(end) > width - size:
            name = name.split()[0][:12]
        was = s.text(left, y, name, face, new=True)
        said = s.right(right, y, end, face)
        s.fact(f"How much is {was.text if was else ''}?", was, said)
        sum_ += amount * many
        y += step
        if many > 1 and y < s.height - 4 * step:
            s.text(left + size, y, f"{many} x {amount:.2f}", face, new=True)
            y += step
    y += step * 0.3
    if rng.random() < 0.5:
        s.draw.line((left, y - step * 0.8, right, y - step * 0.8), fill=s.ink)
    word = pick(rng, ("TOTAL", "Total", "SUM", "Total due", "TOTAL EUR", "Amount due", "BALANCE"))
    was = s.text(left, y, word, face, new=True)
    s.fact("What is the total?", was, s.right(right, y, money(rng, sum_, sign), face))
    y += step
    for part in (f"VAT {rng.integers(5, 25)}%", "CASH", "CARD", "CHANGE"):
        if rng.random() < 0.4:
            s.text(left, y, part, face, new=True)
            s.right(right, y, price(rng), face)
            y += step
    if rng.random() < 0.6:
        s.centre(
            s.width / 2,
            y,
            pick(
                rng, ("Thank you!", "THANK YOU FOR SHOPPING", "Please come again", "Goodbye", "www." + st.word(rng).lower().replace("'", "") + ".com")
            ),
            face,
            new=True,
        )


def invoice(s, rng, st, size):
    face = st.face(rng, ("sans", "serif", "narrow"), size)
    large = st.sized(face.path, face.style, int(size * rng.uniform(1.3, 2.0)))
    left, right, y, step = s.width * 0.05, s.width * 0.95, size * 2.2, line_height(rng, size)
    s.text(left, y, pick(rng, SHOPS) + pick(rng, ("", " Ltd.", " GmbH", " Inc.")), large, new=True)
    s.right(right, y, pick(rng, ("INVOICE", "Invoice", "Order", "Quotation", "Delivery note")), large)
    y += step * 1.8
    number, day = pick(rng, ("INV-", "", "R", "2024/")) + digits(rng, 3, 7), date(rng)
    for caption, said, question in (
        (pick(rng, ("Invoice no.", "Number:", "No.")), number, "What is the number?"),
        (pick(rng, ("Date", "Date:", "Invoice date")), day, "What is the date?"),
    ):
        was = s.text(left, y, caption, face, new=True)
        span = s.text(left + size * 9, y, said, face)
        s.fact(question, was, span)
        y += step
    if rng.random() < 0.6:
        for part in (person(rng), f"{rng.integers(1, 300)} {pick(rng, STREETS)}", f"{digits(rng, 5, 5)} {pick(rng, CITIES)}"):
            s.text(left, y, part, face, new=True)
            y += step
    y += step
    sign, sum_ = pick(rng, CURRENCIES), 0.0
    rows = max(1, min(int((s.height - y) / (step * 1.1)) - 3, int(rng.integers(2, 15))))
    heads = pick(rng, (("Item", "Qty", "Price", "Amount"), ("Description", "Quantity", "Unit price", "Total")))
    stops = [right - size * k for k in (10, 5, 0)]
    s.grid = []

    def line(cells):
        nonlocal y
        spans = [s.text(left, y, cells[0], face, new=True)] + [s.right(x, y, c, face) for x, c in zip(stops, cells[1:])]
        if all(spans):
            s.grid.append([[span] for span in spans])
        y += step * 1.1

    line(heads)
    s.draw.line((left, y - step * 0.95, right, y - step * 0.95), fill=s.ink)
    for _ in range(rows):
        many, each = int(rng.integers(1, 12)), float(price(rng, 300))
        line((pick(rng, GOODS), str(many), f"{each:.2f}", f"{many * each:.2f}"))
        sum_ += many * each
    s.draw.line((left, y - step * 0.9, right, y - step * 0.9), fill=s.ink)
    was = s.text(stops[0] - size * 4, y, pick(rng, ("Total", "Total due", "Amount due", "TOTAL")), face, new=True)
    s.fact("What is the total?", was, s.right(right, y, money(rng, sum_, sign), face))


def form(s, rng, st, size):
    face = st.face(rng, ("sans", "serif", "sans", "narrow"), size)
    written = st.face(rng, ("hand", "mono", "sans"), size) if rng.random() < 0.4 else face
    large = st.sized(face.path, face.style, int(size * 1.5))
    left, y, step = s.width * rng.uniform(0.03, 0.08), size * 2.2, line_height(rng, size, 1.6, 2.6)
    s.text(left, y, " ".join(st.running(rng, int(rng.integers(1, 4))))[:30].capitalize(), large, new=True)
    y += step * 1.3
    columns = 2 if s.width > size * 36 and rng.random() < 0.5 else 1
    fields = [FIELDS[i] for i in rng.permutation(len(FIELDS))]
    boxed, colon = rng.random() < 0.6, pick(rng, (":", "", ":"))
    wide = (s.width - left) / columns
    while y < s.height - size and fields:
        s.row()
        for column in range(columns):
            if not fields:
                break
            field, x = fields.pop(), left + column * wide
            at = x + size * 8
            was = s.text(x, y, field + colon, face)
            if rng.random() < 0.88:
                text = value(rng, st, field)
                if boxed:
                    s.draw.rectangle(
                        (at - size * 0.4, y - size * 1.05, max(at, min(at + wide - size * 9, s.width - 3)), y + size * 0.45), outline=s.ink
                    )
                said = s.text(at, y, text, written)
                s.fact(f"What is the {field.lower()}?", was, said)
            elif not boxed:
                s.draw.line((at, y + 2, at + wide * 0.4, y + 2), fill=s.ink)
        y += step


def label(s, rng, st, size):
    size = int(size * rng.uniform(1, 1.5))
    face = st.face(rng, ("sans", "narrow", "fancy", "serif", "hand"), size)
    small = st.face(rng, ("sans", "narrow", "mono"), max(9, int(size * 0.6)))
    y, edge = size * 2.0, int(size * 0.4)
    if rng.random() < 0.6:
        s.draw.rectangle((edge, edge, s.width - edge, s.height - edge), outline=s.ink, width=max(1, size // 9))
    while y < s.height - size * 1.2:
        what = rng.integers(5)
        f = face if what < 3 else small
        text = (
            pick(rng, GOODS).upper(),
            " ".join(st.running(rng, 2)).upper(),
            " ".join(st.running(rng, 3)),
            f"{rng.integers(1, 900)} {pick(rng, ('g', 'ml', 'kg', 'pcs', 'mg'))}",
            pick(rng, ("LOT ", "EXP ", "Best before ", "No. ")) + (date(rng) if rng.random() < 0.5 else code(rng, 4, 9)),
        )[what]
        for part in P.wrapped(text.split(), f, s.width - 3 * size, 2)[0]:
            if y > s.height - size * 1.2:
                break
            s.centre(s.width / 2, y, part, f, new=True)
            y += f.size * rng.uniform(1.2, 1.5)
        y += f.size * rng.uniform(0.1, 0.6)


def terminal(s, rng, st, size):
    face = st.face(rng, ("mono", "mono", "matrix"), size)
    step, y, x = size * rng.uniform(1.12, 1.4), size * 1.4, size * 0.5
    user = f"{pick(rng, NAMES).lower()}@{st.word(rng).lower().replace(chr(39), '')}"
    colours = [s.ink] + [P.shade(rng, s.ink, 35) for _ in range(2)]
    while y < s.height - size * 0.4:
        kind = rng.integers(6)
        if kind == 0:
            lines = [
                f"{user}:~$ {pick(rng, ('ls -l', 'cat', 'grep -rn', 'cd', 'git log', 'make', 'sudo apt-get install', 'ssh', 'tail -f', 'python3'))} {value(rng, st, 'path') if rng.random() < 0.6 else st.word(rng).lower()}"
            ]
        elif kind == 1:
            lines = [
                f"-rw-r--r-- {rng.integers(1, 9)} root root {rng.integers(10, 99999):>6} {pick(rng, ('Jan', 'Feb', 'Mar', 'Jun', 'Sep', 'Dec'))} {rng.integers(1, 29):2} {time(rng)[:5]} {st.word(rng).lower()}.{pick(rng, ('txt', 'c', 'py', 'png', 'gz', 'h'))}"
                for _ in range(rng.integers(2, 8))
            ]
        elif kind == 2:
            lines = [
                f"[{date(rng)} {time(rng)}] {pick(rng, ('INFO', 'WARNING', 'ERROR', 'DEBUG'))}: {' '.join(st.running(rng, int(rng.integers(3, 9))))}"
                for _ in range(rng.integers(1, 5))
            ]
        elif kind == 3:
            lines = pick(rng, st.code).split("\n")[: int(rng.integers(3, 13))]
        elif kind == 4:
            lines = P.wrapped(st.running(rng, int(rng.integers(6, 40))), face, s.width - 2 * x)[0]
        else:
            lines = [
                f"Get:{rng.integers(1, 90)} http://{st.word(rng).lower()}.org/{code(rng, 3, 6).lower()} [{rng.integers(1, 999)} kB]"
                for _ in range(rng.integers(1, 4))
            ]
        fill = pick(rng, colours)
        for line in lines:
            indent = len(line) - len(line.lstrip())
            most = int((s.width - 2 * x) / max(1, face.width("m"))) - indent
            if y > s.height - size * 0.4:
                break
            s.text(x + indent * face.width(" "), y, line.strip()[:most], face, fill, new=True)
            y += step


def editor(s, rng, st, size):
    face = st.face(rng, ("mono",), size)
    step, y, numbers = size * rng.uniform(1.15, 1.5), size * 1.5, rng.random() < 0.7
    if rng.random() < 0.5:
        menu, x = st.face(rng, ("sans",), size), size * 0.6
        s.row()
        for i in range(int(rng.integers(2, 6))):
            if s.text(x, y, MENUS[i], menu):
                x += menu.length(MENUS[i]) + size
        y += step * 1.3
    first, colours = int(rng.integers(1, 900)), [s.ink, s.ink] + [P.shade(rng, s.ink, 45) for _ in range(3)]
    margin = size * (3.2 if numbers else 0.6)
    while y < s.height - size * 1.2:
        for line in pick(rng, st.code).split("\n"):
            if y > s.height - size * 1.2:
                break
            s.row()
            if numbers:
                s.right(margin - size * 0.7, y, str(first), face, P.shade(rng, s.ink, 10))
            x, room = margin + (len(line) - len(line.lstrip())) * face.width(" "), s.width - size
            # Words in colours of their own; one span each run, so that blanks stay as they are.
            for word in line.split():
                w = face.length(word)
                if x + w > room or not s.text(x, y, word, face, pick(rng, colours)):
                    break
                x += w + face.width(" ")
            first, y = first + 1, y + step
    if rng.random() < 0.4:
        s.text(size * 0.5, s.height - size * 0.4, f"Ln {rng.integers(1, 400)}, Col {rng.integers(1, 90)}  UTF-8", face, new=True)


def dialog(s, rng, st, size):
    face = st.face(rng, ("sans", "sans", "narrow"), size)
    bar, y, x = int(size * 2.2), size * 1.5, size
    title = P.shade(rng, s.ink, 30)
    light = sum(title) < 384
    s.draw.rectangle((0, 0, s.width, bar), fill=title)
    place = s.centre if rng.random() < 0.5 else lambda _, *a, **k: s.text(x, *a, **k)
    place(s.width / 2, y, " ".join(st.running(rng, int(rng.integers(1, 4))))[:34].title(), face, fill=(245,) * 3 if light else (10,) * 3, new=True)
    y, step = bar + size * 1.8, line_height(rng, size, 1.25, 1.6)
    bottom = s.height - size * 3
    while y < bottom:
        kind = rng.integers(5)
        if kind == 0:
            for line in P.wrapped(st.running(rng, int(rng.integers(4, 24))), face, s.width - 2 * x, 4)[0]:
                if y < bottom:
                    s.text(x, y, line, face, new=True)
                    y += step
        elif kind <= 2:
            field = pick(rng, FIELDS)
            was = s.text(x, y, field + ":", face, new=True)
            at = x + size * 8
            s.draw.rectangle(
                (at - size * 0.4, y - size * 1.05, max(at, s.width - x), y + size * 0.45),
                outline=P.shade(rng, s.ink),
                fill=(255, 255, 255) if sum(s.ink) < 300 else None,
            )
            if rng.random() < 0.8:
                said = s.text(at, y, value(rng, st, field), face)
                s.fact(f"What is the {field.lower()}?", was, said)
            y += step * 1.3
        else:
            for _ in range(int(rng.integers(1, 5))):
                if y < bottom:
                    r = size * 0.45
                    (s.draw.rectangle if kind == 3 else s.draw.ellipse)((x, y - 2 * r, x + 2 * r, y), outline=s.ink)
                    fill = None
                    if rng.random() < 0.1:  # selected
                        s.draw.rectangle((x + size * 1.2, y - size, s.width - x, y + size * 0.35), fill=title)
                        fill = (245,) * 3 if light else (10,) * 3
                    s.text(x + size * 1.4, y, " ".join(st.running(rng, int(rng.integers(1, 6))))[:46].capitalize(), face, fill, new=True)
                    y += step
        y += step * 0.4
    names, at = [BUTTONS[i] for i in rng.permutation(len(BUTTONS))[: int(rng.integers(1, 4))]], s.width * rng.uniform(0.2, 0.6)
    s.row()
    for name in names:
        w = face.length(name)
        if at + w + size * 1.6 > s.width:
            break
        s.draw.rectangle((at, s.height - size * 2.3, at + w + size * 1.4, s.height - size * 0.5), outline=s.ink)
        s.text(at + size * 0.7, s.height - size * 1.05, name, face)
        at += w + size * 2


def web(s, rng, st, size):
    face = st.face(rng, ("sans", "sans", "serif"), size)
    head = st.face(rng, ("sans", "serif", "narrow"), int(size * rng.uniform(1.4, 2.2)))
    x, y, step = s.width * rng.uniform(0.02, 0.08), size * 1.6, line_height(rng, size, 1.3, 1.7)
    link = (40, 90, 190) if sum(s.ink) < 384 else (140, 180, 255)
    if rng.random() < 0.6:
        colour = P.shade(rng, s.ink, 60)
        s.draw.rectangle((0, 0, s.width, int(size * 2.4)), fill=colour)
        fill, at = (250,) * 3 if sum(colour) < 400 else (15,) * 3, x
        s.row()
        for _ in range(int(rng.integers(2, 6))):
            word = st.word(rng).capitalize()
            if s.text(at, y, word, face, fill):
                at += face.length(word) + size * 1.5
        y += size * 2.6
    while y < s.height - size:
        kind = rng.integers(5)
        if kind == 0:
            y += head.size * 0.4
            s.text(x, y, (P.wrapped(st.running(rng, int(rng.integers(1, 6))), head, s.width - 2 * x, 1)[0] or [""])[0], head, new=True)
            y += head.size * 1.2
        elif kind <= 2:
            for line in P.wrapped(st.running(rng, int(rng.integers(8, 60))), face, s.width - 2 * x)[0]:
                if y > s.height - size:
                    break
                span = s.text(x, y, line, face, new=True)
                if span and rng.random() < 0.06:
                    s.draw.line((x, y + 2, s.edge, y + 2), fill=s.ink)
                y += step
        elif kind == 3:
            for _ in range(int(rng.integers(2, 6))):
                if y > s.height - size:
                    break
                s.draw.ellipse((x + size * 0.5, y - size * 0.5, x + size * 0.8, y - size * 0.2), fill=s.ink)
                s.text(
                    x + size * 1.5,
                    y,
                    (P.wrapped(st.running(rng, int(rng.integers(1, 8))), face, s.width - 2 * x - size * 2, 1)[0] or [""])[0],
                    face,
                    link if rng.random() < 0.5 else None,
                    new=True,
                )
                y += step
        else:
            field = pick(rng, FIELDS)
            was = s.text(x, y, field, face, new=True)
            said = s.text(x + size * 9, y, value(rng, st, field), face, link if rng.random() < 0.3 else None)
            s.fact(f"What is the {field.lower()}?", was, said)
            y += step
        y += step * rng.uniform(0.2, 0.8)


def icon(s, rng, x, y, r, fill):
    """A small drawing that is no letter, around (x, y)."""
    draw, w, kind = s.draw, max(1, int(r / 4)), rng.integers(9)
    if kind == 0:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif kind == 1:
        draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=w)
        draw.line((x, y - r / 2, x, y + r / 2), fill=fill, width=w)
    elif kind == 2:
        draw.line((x - r, y - r, x + r, y + r), fill=fill, width=w)
        draw.line((x - r, y + r, x + r, y - r), fill=fill, width=w)
    elif kind == 3:
        draw.polygon((x - r, y - r / 2, x + r, y - r / 2, x, y + r / 2), fill=fill)
    elif kind == 4:
        draw.line((x - r, y, x - r / 3, y + r * 0.8, x + r, y - r), fill=fill, width=w)
    elif kind == 5:
        for dy in (-r * 0.7, 0, r * 0.7):
            draw.line((x - r, y + dy, x + r, y + dy), fill=fill, width=w)
    elif kind == 6:
        draw.line((x - r, y, x + r, y), fill=fill, width=w)
        draw.line((x, y - r, x, y + r), fill=fill, width=w)
    elif kind == 7:
        draw.rectangle((x - r, y - r * 0.7, x + r, y + r * 0.7), fill=P.shade(rng, fill, 60), outline=fill)
    else:
        draw.line((x - r, y + r / 2, x, y - r / 2, x + r, y + r / 2), fill=fill, width=w)


def faint(s, x, y):
    """Between ink and the ground there."""
    ground = s.image.getpixel((min(max(int(x), 0), s.width - 1), min(max(int(y), 0), s.height - 1)))
    return tuple((2 * a + 3 * b) // 5 for a, b in zip(ground, s.ink))


def phrase(rng, st, face, width, most):
    """A few words that fit; not dashes alone, which would be taken for lines."""
    words = st.running(rng, int(rng.integers(1, most + 1)))
    while words and not any(c.isalnum() for c in words[0]):
        del words[0]
    return (P.wrapped(words, face, max(0, width), 1)[0] or [""])[0]


def button(s, rng, x, y, text, face, fill=None, new=False):
    """A button whose text stands at x + 0.7 ems; its right end, or None where there is no room."""
    size, pressed = face.size, rng.random() < 0.15
    drawn = rng.random() < 0.3
    end = x + face.length(text) + size * (2.6 if drawn else 1.4)
    if end > s.width or y + size * 0.6 > s.height:
        return None
    ground = P.shade(rng, s.ink, 70) if pressed else None
    s.draw.rounded_rectangle((x, y - size * 1.2, end, y + size * 0.55), radius=size * pick(rng, (0, 0.2, 0.8)), outline=s.ink, fill=ground)
    if ground:
        fill = (250,) * 3 if sum(ground) < 384 else (10,) * 3
    if drawn:
        icon(s, rng, x + size * 1.1, y - size * 0.35, size * 0.4, fill or s.ink)
    s.text(x + size * (1.9 if drawn else 0.7), y, text, face, fill, new=new)
    return end


def box(s, rng, left, y, right, size):
    """An empty field around a line at y."""
    ground = (255, 255, 255) if sum(s.ink) < 300 and rng.random() < 0.7 else None
    s.draw.rectangle((left, y - size * 1.15, max(left, right), y + size * 0.5), outline=P.shade(rng, s.ink, 60), fill=ground)


def window(s, rng, st, size):
    """An application: fields with buttons beside them, lists that are mostly empty, icons, what is greyed out."""
    face = st.face(rng, ("sans", "sans", "sans", "narrow"), size)
    x, y, step, colour = size * rng.uniform(0.6, 1.2), size * 1.5, line_height(rng, size, 1.8, 2.4), P.shade(rng, s.ink, 30)
    light = (245,) * 3 if sum(colour) < 384 else (10,) * 3
    if rng.random() < 0.75:
        s.draw.rectangle((0, 0, s.width, size * 2.2), fill=colour)
        name = pick(rng, (phrase(rng, st, face, s.width * 0.5, 3).title(), f"{st.word(rng)} - {value(rng, st, 'Path')}"))
        (s.centre if rng.random() < 0.7 else lambda _, *a, **k: s.text(3 * size, *a, **k))(s.width / 2, y, name, face, light, new=True)
        for i in range(int(rng.integers(1, 5))):
            icon(s, rng, s.width - size * (1.2 + 1.8 * i), size * 1.1, size * 0.45, light)
        if rng.random() < 0.7:
            icon(s, rng, size * 1.2, size * 1.1, size * 0.5, light)
        y += size * 2.2
    if rng.random() < 0.4:
        at = x
        s.row()
        for i in sorted(rng.permutation(len(MENUS))[: int(rng.integers(2, 7))]):
            s.text(at, y, MENUS[i], face)
            at += face.length(MENUS[i]) + size
        y += step
    captions = size * rng.uniform(5, 10)
    while y < s.height - size:
        kind = rng.integers(7)
        if kind <= 1:
            field = pick(rng, FIELDS) if rng.random() < 0.7 else phrase(rng, st, face, captions, 4).capitalize()
            was, at, right = s.text(x, y, field + ":", face, new=True), x + max(captions, face.length(field + ":") + size), s.width - x
            name = pick(rng, BUTTONS) if rng.random() < 0.4 else ""
            right -= face.length(name) + size * 3.2 if name else 0
            if right - at > 2 * size:
                box(s, rng, at, y, right, size)
                if rng.random() < 0.3:
                    icon(s, rng, right - size * 0.8, y - size * 0.35, size * 0.3, s.ink)
                said = value(rng, st, field) if rng.random() < 0.75 else ""
                if face.length(said) < right - at - 2 * size:
                    said = s.text(at + size * 0.4, y, said, face)
                    s.fact(f"What is the {field.lower()}?", was, said)
                if name:
                    button(s, rng, right + size * 0.5, y, name, face, faint(s, 1, y) if rng.random() < 0.2 else None)
        elif kind == 2:
            at = x
            s.row()
            for _ in range(int(rng.integers(2, 6))):
                if rng.random() < 0.5:
                    s.draw.rectangle((at, y - size * 0.9, at + size * 0.8, y - size * 0.1), outline=s.ink)
                    word = st.word(rng).capitalize()
                    s.text(at + size * 1.2, y, word, face)
                    at += face.length(word) + size * 2.4
                else:
                    at = (button(s, rng, at, y, pick(rng, BUTTONS), face, faint(s, at, y) if rng.random() < 0.2 else None) or s.width) + size * 0.6
        elif kind <= 4:
            rows, end = int(rng.integers(0, 7)), min(s.height - size * 0.4, y + size * rng.uniform(2, 14))
            stops = x + size * 0.5 + np.cumsum([0, *rng.uniform(0.25, 0.6, int(rng.integers(0, 3)))]) * (s.width - 2 * x)
            ground = (255, 255, 255) if sum(s.ink) < 300 and rng.random() < 0.7 else None
            s.draw.rectangle((x, y - size * 1.2, s.width - x, end), outline=P.shade(rng, s.ink, 60), fill=ground)
            if rng.random() < 0.4:
                s.draw.rectangle((s.width - x - size, y - size * 1.2, s.width - x, end), outline=s.ink)
                s.draw.rectangle((s.width - x - size, y, s.width - x, (y + end) / 2), fill=P.shade(rng, s.ink, 60))
            tight = line_height(rng, size, 1.2, 1.6)
            for r in range(rows):
                if y > end - size * 0.4:
                    break
                fill = None
                if r == rows // 2 and rng.random() < 0.3:
                    s.draw.rectangle((x + 1, y - size, s.width - x - 1, y + size * 0.35), fill=colour)
                    fill = light
                s.row()
                for i, left in enumerate(stops):
                    room = (stops[i + 1] if i + 1 < len(stops) else s.width - x - size) - left - size * 0.5
                    s.text(left, y, pick(rng, (phrase(rng, st, face, room, 4), value(rng, st, "Path"), st.word(rng), code(rng, 3, 8))), face, fill)
                y += tight
            y = max(y, end) + size * 0.8
        elif kind == 5:
            middle = rng.random() < 0.3
            for line in P.wrapped(st.running(rng, int(rng.integers(4, 24))), face, s.width - 2 * x, 4)[0]:
                (s.centre if middle else s.text)(s.width / 2 if middle else x, y, line, face, new=True)
                y += step * 0.7
        else:
            at = x if rng.random() < 0.4 else s.width * rng.uniform(0.3, 0.7)
            s.row()
            for _ in range(int(rng.integers(1, 4))):
                at = (button(s, rng, at, y, pick(rng, BUTTONS), face) or s.width) + size * 0.6
            if rng.random() < 0.3:
                s.text(at, y, f"{pick(rng, FIELDS)}: {st.word(rng).capitalize()}", face)
        y += step * rng.uniform(0.8, 1.1)


def mixed(s, rng, st, x, y, width, faces, colours, words):
    """Lines whose words change font and colour, code in boxes; where the next line would stand."""
    face, fill, at, step = faces[0], None, x, line_height(rng, faces[0].size, 1.3, 1.6)
    s.row()
    for word in words:
        if rng.random() < 0.25:
            face, fill = (faces[0], None) if face is not faces[0] or fill else (pick(rng, faces), pick(rng, colours))
        w = face.length(face.clean(word))
        if at + w > x + width:
            y, at = y + step, x
            if y > s.height - face.size * 0.4:
                break
            s.row()
        if face.style == "mono" and rng.random() < 0.5:
            s.draw.rectangle((at - 1, y - face.size, at + w + 1, y + face.size * 0.3), outline=faint(s, at, y))
        s.text(at, y, word, face, fill)
        at += w + faces[0].width(" ") * 1.1
    return y + step


def site(s, rng, st, size):
    """A web page with bars, links at its right side, tables of links, names of functions, words in other fonts."""
    face = st.face(rng, ("sans", "sans", "sans", "serif"), size)
    faces = [face] + [st.face(rng, (style,), int(size * rng.uniform(0.9, 1.0))) for style in ("sans", "mono", "serif")]
    small, head = st.sized(face.path, face.style, max(9, int(size * 0.85))), st.face(rng, ("sans", "serif"), int(size * rng.uniform(1.3, 2.0)))
    link = (40, 90, 190) if sum(s.ink) < 384 else (140, 180, 255)
    x, y, colours = size * rng.uniform(0.4, 2), 0.0, [None, link, P.shade(rng, s.ink, 60)]
    for strip in range(int(rng.integers(0, 4))):
        f = head if strip == 0 and rng.random() < 0.6 else face
        high, colour = f.size * rng.uniform(1.8, 2.6), P.shade(rng, s.ink, 70)
        s.draw.rectangle((0, y, s.width, y + high), fill=colour)
        fill, base = (250,) * 3 if sum(colour) < 400 else (15,) * 3, y + high / 2 + f.size * 0.35
        if rng.random() < 0.3:
            text = f" {pick(rng, ('›', '>', '/', '»'))} ".join(st.word(rng).capitalize() for _ in range(int(rng.integers(2, 5))))
        else:
            text = phrase(rng, st, f, s.width * 0.5, 4)
        s.text(x, base, text, f, fill, new=True)
        if rng.random() < 0.5:
            links = pick(rng, (" / ", "  ", " | ")).join(phrase(rng, st, small, s.width, 2) for _ in range(int(rng.integers(1, 4))))
            s.right(s.width - x, base, links.upper() if rng.random() < 0.5 else links, small, fill)
        y += high
    y += size * 2
    while y < s.height - size:
        kind = rng.integers(6)
        if kind == 0:
            y += head.size * 0.4
            s.text(x, y, phrase(rng, st, head, s.width * 0.6, 5), head, faint(s, x, y) if rng.random() < 0.3 else None, new=True)
            if rng.random() < 0.4:
                text = pick(rng, BUTTONS) if rng.random() < 0.5 else pick(rng, BUTTONS).upper()
                button(s, rng, s.width - x - small.length(text) - size * 2.6, y, text, small)
            y += head.size * 1.3
        elif kind <= 2:
            left = x + size * pick(rng, (0, 0, 2, 4))
            y = mixed(s, rng, st, left, y, s.width - left - x, faces, colours, st.running(rng, int(rng.integers(3, 40))))
        elif kind == 3:
            second = x + (s.width - 2 * x) * rng.uniform(0.5, 0.85)
            boxes, striped, step = rng.random() < 0.5, rng.random() < 0.5, line_height(rng, size, 1.5, 2.2)
            left = x + (size * 1.8 if boxes else 0)
            for r in range(int(rng.integers(2, 8))):
                if y > s.height - size:
                    break
                if striped and r % 2 == 0:
                    s.draw.rectangle(
                        (x, y - size * 1.3, s.width - x, y - size * 1.3 + step),
                        fill=tuple((7 * a + b) // 8 for a, b in zip(s.image.getpixel((0, int(y))), s.ink)),
                    )
                elif not striped:
                    s.draw.line((x, y + size * 0.6, s.width - x, y + size * 0.6), fill=faint(s, x, y))
                if boxes:
                    s.draw.rectangle((x + size * 0.4, y - size * 0.8, x + size * 1.2, y), outline=faint(s, x, y))
                f, fill = (small, faint(s, x, y)) if r == 0 else (face, link if boxes else None)
                text = phrase(rng, st, f, second - left - 2 * size, 10)
                s.text(left, y, text.upper() if r == 0 else text, f, fill, new=True)
                s.text(second, y, pick(rng, (st.word(rng).capitalize(), date(rng), price(rng, 2000))), f, fill if r == 0 else None)
                y += step
        elif kind == 4:
            name, step = ".".join(st.word(rng).lower() for _ in range(int(rng.integers(1, 3)))), line_height(rng, size, 1.4, 1.8)
            if s.text(x, y, name, face, link, new=True):
                s.text(s.edge + size * 0.3, y, f"({', '.join(st.word(rng).lower() for _ in range(int(rng.integers(0, 3))))})", pick(rng, faces))
            y += step
            for indent in (2, 2, 4)[: int(rng.integers(1, 4))]:
                if y < s.height - size:
                    s.text(x + size * indent, y, phrase(rng, st, face, s.width - 2 * x - size * indent, 9), face, new=True)
                    y += step
        else:
            step = line_height(rng, size, 1.4, 1.8)
            s.text(x, y, phrase(rng, st, face, s.width * 0.6, 4), face, new=True)
            if rng.random() < 0.5:
                s.right(s.width - x, y, pick(rng, BUTTONS), face, link)
            y += step
            if y < s.height - size:
                said = f"{pick(rng, ('by', 'on', 'posted', 'last changed'))} {pick(rng, NAMES).lower()} {pick(rng, ('on', 'at', ''))} {date(rng)}"
                s.text(x, y, said, small, faint(s, x, y), new=True)
            y += step
        y += size * rng.uniform(0.2, 1.0)


def sign(s, rng, st, size):
    size = max(size, 18)
    y = size * rng.uniform(1.2, 3)
    while y < s.height - size * 0.5:
        big = int(min(90, size * rng.uniform(1, 2.2)))
        face = st.face(rng, ("sans", "narrow", "fancy", "serif", "sans"), big)
        kind = rng.random()
        text = pick(rng, SIGNS) if kind < 0.4 else " ".join(st.running(rng, int(rng.integers(1, 5)))) if kind < 0.8 else code(rng, 2, 7)
        text = text.upper() if rng.random() < 0.6 else text
        for line in P.wrapped(text.split(), face, s.width - size, 3)[0]:
            if y < s.height - big * 0.3:
                s.centre(s.width / 2, y, line, face, new=True)
                y += big * rng.uniform(1.15, 1.4)
        y += size * rng.uniform(0.2, 1.5)


def cell(rng, st, kind):
    return (
        lambda: st.word(rng).capitalize(),
        lambda: digits(rng, 1, 4),
        lambda: price(rng, 2000),
        lambda: f"{rng.uniform(-20, 100):.1f}%",
        lambda: code(rng, 2, 5),
        lambda: date(rng),
        lambda: " ".join(st.running(rng, 2))[:16],
    )[kind]()


def table(s, rng, st, size):
    face = st.face(rng, ("sans", "serif", "narrow", "mono"), size)
    bold = st.sized(face.path, face.style, size)
    x, y, step = size * 0.8, size * 1.8, line_height(rng, size, 1.3, 2.0)
    if rng.random() < 0.5:
        s.text(x, y, (P.wrapped(st.running(rng, int(rng.integers(2, 6))), face, s.width - 2 * x, 1)[0] or [""])[0], face, new=True)
        y += step * 1.4
    columns = int(np.clip(rng.integers(2, 7), 2, max(2, s.width // (size * 6))))
    kinds = [0] + [int(k) for k in rng.integers(0, 7, columns - 1)]
    weights = np.array([6.0 if k in (5, 6) else 4.0 for k in kinds]) * rng.uniform(0.8, 1.2, columns)
    stops = x + np.concatenate([[0], np.cumsum(weights / weights.sum())]) * (s.width - 2 * x)
    lines, rights, top = rng.random() < 0.6, [k in (1, 2, 3) and rng.random() < 0.8 for k in kinds], y - step * 0.85
    s.grid, empty = [], rng.random() < 0.15
    rows = min(max(2, int((s.height - y - size * 0.3) / step)), int(rng.integers(3, 40)))
    stripes = P.shade(rng, s.image.getpixel((2, 2)), 9) if rng.random() < 0.25 else None
    for r in range(rows):
        s.row()
        spans = []
        if stripes and r % 2:
            s.draw.rectangle((stops[0], y - step * 0.7, stops[-1], y + step * 0.3), fill=stripes)
        for i, k in enumerate(kinds):
            text = " ".join(st.running(rng, 1))[:12].title() if r == 0 else cell(rng, st, k)
            if r and i and empty and rng.random() < 0.2:
                spans.append([])
                continue
            room = stops[i + 1] - stops[i] - size * 0.8
            text = P.wrapped(face.clean(text).split(), face, room, 1)[0]
            f = bold if r == 0 else face
            span = None
            if text:
                span = s.right(stops[i + 1] - size * 0.6, y, text[0], f) if rights[i] else s.text(stops[i] + size * 0.2, y, text[0], f)
            spans.append([span] if span else [])
        s.grid.append(spans)
        y += step
        if lines:
            s.draw.line((stops[0], y - step * 0.7, stops[-1], y - step * 0.7), fill=s.ink)
    if lines and rng.random() < 0.5:
        for at in stops:
            s.draw.line((at, top, at, y - step * 0.7), fill=s.ink)


def book(s, rng, st, size):
    face = st.face(rng, ("serif", "serif", "serif", "sans", "mono"), size)
    margin = s.width * rng.uniform(0.03, 0.12)
    y, step = size * rng.uniform(1.3, 3), line_height(rng, size, 1.15, 1.6)
    if rng.random() < 0.4:
        s.row()
        if rng.random() < 0.5:
            s.text(margin, y, digits(rng, 1, 3), face)
        s.centre(s.width / 2, y, " ".join(st.running(rng, 2)).upper()[:24], face)
        y += step * 1.5
    justify = rng.random() < 0.6
    while y < s.height - size * 0.4:
        lines, _ = P.wrapped(st.paragraph(rng).split(), face, s.width - 2 * margin - (size * 1.5))
        for i, line in enumerate(lines):
            if y > s.height - size * 0.4:
                break
            x = margin + (size * 1.5 if i == 0 else 0)
            words = line.split()
            gap = (s.width - 2 * margin - (x - margin) - sum(face.length(face.clean(w)) for w in words)) / max(1, len(words) - 1)
            if justify and i < len(lines) - 1 and len(words) > 2 and gap < 1.2 * size:
                s.row()
                for w in words:
                    w = face.clean(w)
                    s.text(x, y, w, face)
                    x += face.length(w) + gap
            else:
                s.text(x, y, line, face, new=True)
            y += step
        y += step * (0 if rng.random() < 0.6 else rng.uniform(0.3, 1))


def listing(s, rng, st, size):
    """Code printed on paper, between prose."""
    face, prose = st.face(rng, ("mono",), size), st.face(rng, ("serif", "sans"), size)
    x, y, step = size, size * 1.6, size * rng.uniform(1.15, 1.5)
    while y < s.height - size * 0.4:
        for line in P.wrapped(st.running(rng, int(rng.integers(5, 30))), prose, s.width - 2 * x)[0]:
            if y < s.height - size * 0.4:
                s.text(x, y, line, prose, new=True)
                y += step
        y += step * 0.4
        for line in pick(rng, st.code).split("\n"):
            indent = len(line) - len(line.lstrip())
            most = int((s.width - 2 * x) / face.width("m")) - indent
            if y < s.height - size * 0.4:
                s.text(x + indent * face.width(" "), y, line.strip()[: max(0, most)], face, new=True)
                y += step
        y += step * 0.4


def strings(s, rng, st, size):
    """Any strings, in rows: what no vocabulary can guess."""
    y = size * 1.5
    while y < s.height - size * 0.5:
        face = st.face(rng, tuple(st.fonts), int(size * rng.uniform(0.9, 1.2)))
        x, letters = (
            size * 0.6,
            pick(
                rng,
                (
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
                    "abcdefghijklmnopqrstuvwxyz",
                    "0123456789",
                    "abcdefXYZ0189.-_/",
                    "AaBbCcEeGgIiLlOoSsTt1!|.,:;'\"()[]{}@#$%&*+=<>?",
                ),
            ),
        )
        s.row()
        while True:
            text = code(rng, 2, 10, letters)
            w = face.length(text)
            if x + w > s.width - size * 0.5 or not s.text(x, y, text, face):
                break
            x += w + size * rng.uniform(0.5, 3)
        y += size * rng.uniform(1.2, 1.9)


def few(s, rng, st, size):
    """A word, a number or a few, far apart on an empty page, some as large as fits: where to stop has to be seen."""
    face = st.face(rng, ("sans", "serif", "mono", "narrow"), size)
    y = rng.uniform(size, max(size + 1, s.height * rng.uniform(0.2, 0.9)))
    for _ in range(pick(rng, (1, 1, 1, 1, 2, 3, 4))):
        if y > s.height - size * 0.3:
            break
        text = (
            lambda: st.word(rng),
            lambda: st.word(rng).lower(),
            lambda: pick(rng, entities.WORDS),
            lambda: pick(rng, entities.WORDS),
            lambda: pick(rng, entities.WORDS),
            lambda: phrase(rng, st, face, s.width, 3),
            lambda: code(rng, 2, 8),
            lambda: code(rng, 3, 6),
            lambda: digits(rng, 1, 5),
            lambda: price(rng, 2000),
            lambda: f"{rng.uniform(0, 10):.3f}",
            lambda: date(rng),
        )[rng.integers(12)]()
        if rng.random() < 0.5:
            most = min(64, 1.6 * s.width / max(1, len(text)), 0.8 * s.height)
            face = st.sized(face.path, face.style, int(size * max(1.0, most / size) ** rng.random()))
            y = max(y, face.size)
        x = rng.uniform(size * 0.2, max(size * 0.3, s.width - face.length(text) - size * 0.3))
        if s.text(x, y, text, face, new=True) and rng.random() < 0.3:
            face = st.face(rng, ("sans", "serif", "mono", "narrow"), size * rng.uniform(0.8, 1.3))
        y += max(size, face.size) * rng.uniform(1.4, 5)


KINDS = {
    "receipt": receipt, "invoice": invoice, "form": form, "label": label, "terminal": terminal, "editor": editor, "dialog": dialog,
    "window": window, "web": web, "site": site, "sign": sign, "table": table, "book": book, "listing": listing, "strings": strings, "few": few,
}  # fmt: skip
SHARES = {
    "receipt": 0.12, "invoice": 0.06, "form": 0.08, "label": 0.05, "terminal": 0.08, "editor": 0.07, "dialog": 0.05,
    "window": 0.1, "web": 0.1, "site": 0.16, "sign": 0.04, "table": 0.08, "book": 0.12, "listing": 0.03, "strings": 0.05, "few": 0.26,
}  # fmt: skip
