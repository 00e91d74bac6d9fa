#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes Tests/ImagesTests/Fixtures: small PNG and JPEG files with the pixels Pillow reads from them, and tables of resizes
(Pillow), slicings (a brute-force search with fractions), any-resolution choices and CLIP preprocessing (transformers).

Needs pillow 13, numpy and transformers. Pixels are recorded as 64-bit FNV-1a of their bytes. Usage: make_image_fixtures.py
"""

import io
import pathlib
import struct
import warnings
import zlib
from fractions import Fraction
from math import ceil

import numpy as np
from PIL import Image, ImageOps
from transformers import image_processing_utils, image_transforms
from transformers.models.llava_next import modeling_llava_next
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

warnings.simplefilter("ignore")
OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests" / "ImagesTests" / "Fixtures"
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def fnv(data: bytes) -> str:
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def noise(count: int, seed: int) -> np.ndarray:
    """The upper bytes of a 32-bit linear congruential generator's states 1 … count."""
    with np.errstate(over="ignore"):
        power = np.full(count + 1, 1664525, np.uint32)
        power[0] = 1
        power = np.cumprod(power, dtype=np.uint32)
        sums = np.cumsum(power, dtype=np.uint32)
        state = power[1:] * np.uint32(seed) + np.uint32(1013904223) * sums[:-1]
    return (state >> 24).astype(np.uint8)


def picture(width: int, height: int, kind: str) -> Image.Image:
    samples = noise(width * height * 3, seed=width * 65536 + height)
    if kind == "binary":
        samples = np.where(samples >= 128, 255, 0).astype(np.uint8)
    return Image.fromarray(samples.reshape(height, width, 3))


def smooth(width: int, height: int, channels: int) -> np.ndarray:
    """A picture that JPEG can hold: waves of different lengths in each channel."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127.5 + 127.5 * np.sin(x / (3 + c) + 0.7 * c) * np.cos(y / (5 - c) + c) for c in range(channels)]
    return np.stack(planes, -1).round().astype(np.uint8)


# ---- PNG, written by hand: Pillow writes neither interlaced files nor all depths.


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(rows: list[bytes], bpp: int) -> bytes:
    """Scan lines with filter types 0 … 4 in turn."""
    out, above = bytearray(), bytes(len(rows[0])) if rows else b""
    for i, row in enumerate(rows):
        kind = (i + 1) % 5
        out.append(kind)
        for j, value in enumerate(row):
            a = row[j - bpp] if j >= bpp else 0
            b = above[j]
            c = above[j - bpp] if j >= bpp else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out.append(value - [0, a, b, (a + b) // 2, paeth][kind] & 255)
        above = row
    return bytes(out)


def packed(samples: np.ndarray, depth: int) -> list[bytes]:
    """[height, width, channels] samples as rows of bytes, high bits first."""
    rows = []
    for row in samples.reshape(len(samples), -1):
        bits = "".join(f"{int(v):0{depth}b}" for v in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    return rows


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png(samples: np.ndarray, depth: int, colour: int, interlaced: bool, before=b"", between=b"") -> bytes:
    height, width, channels = samples.shape
    bpp = max(1, depth * channels // 8)
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        data = b"".join(filtered(packed(p, depth), bpp) for p in parts if p.size)
    else:
        data = filtered(packed(samples, depth), bpp)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    stream = zlib.compress(data, 9)
    cut = len(stream) // 2
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + before
        + between
        + chunk(b"IDAT", stream[:cut])
        + chunk(b"IDAT", stream[cut:])
        + chunk(b"IEND", b"")
    )


def png_files() -> dict[str, bytes]:
    files = {}
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for interlaced in (False, True):
                w, h = 19, 13
                values = noise(w * h * CHANNELS[colour] * 2, seed=colour * 100 + depth).astype(np.uint32)
                values = (values[::2] << 8 | values[1::2]) >> (16 - depth)
                if colour == 0 and depth == 16:
                    values[::3] >>= 8  # values both above and below where Pillow saturates
                palette = b""
                if colour == 3:
                    palette = chunk(b"PLTE", noise(3 << depth, seed=depth).tobytes())
                name = f"colour{colour}_depth{depth}" + ("_interlaced" if interlaced else "")
                files[name + ".png"] = png(values.reshape(h, w, -1), depth, colour, interlaced, palette)
    some = noise(5 * 3, seed=9).reshape(3, 5, 1)
    files["grey_trns.png"] = png(some, 8, 0, False, chunk(b"tRNS", struct.pack(">H", int(some[0, 0, 0]))))
    files["colour_trns.png"] = png(np.repeat(some, 3, 2), 8, 2, False, chunk(b"tRNS", struct.pack(">HHH", *[int(some[0, 0, 0])] * 3)))
    files["palette_trns.png"] = png(some % 4, 8, 3, False, chunk(b"PLTE", noise(12, seed=3).tobytes()), chunk(b"tRNS", b"\x00\x80"))
    files["palette_index_past_end.png"] = png(some % 8, 4, 3, False, chunk(b"PLTE", noise(12, seed=3).tobytes()))
    files["gamma_and_profile.png"] = png(
        some,
        8,
        0,
        False,
        chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200))) + chunk(b"tEXt", b"Title\0fixture"),
    )
    files["one_pixel.png"] = png(np.array([[[10, 20, 30]]]), 8, 2, False)
    files["narrow_interlaced.png"] = png(noise(3 * 2 * 3, seed=4).reshape(2, 3, 3), 8, 2, True)
    for orientation in (3, 6, 7):
        exif = Image.Exif()
        exif[0x0112] = orientation
        block = exif.tobytes()
        files[f"exif_orientation{orientation}.png"] = png(
            noise(4 * 3 * 3, seed=orientation).reshape(3, 4, 3), 8, 2, False, chunk(b"eXIf", block.removeprefix(b"Exif\0\0"))
        )
    return files


# ---- JPEG


def jpeg(samples: np.ndarray, mode=None, **options) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(samples.squeeze(-1) if samples.shape[-1] == 1 else samples, mode)
    image.save(out, "JPEG", **options)
    return out.getvalue()


def segments(data: bytes):
    """(offset, marker, length with the marker) of every segment before the coded data."""
    offset = 2
    while data[offset + 1] != 0xDA:
        length = 2 + struct.unpack(">H", data[offset + 2 : offset + 4])[0]
        yield offset, data[offset + 1], length
        offset += length


def without(data: bytes, marker: int) -> bytes:
    at, _, length = next(s for s in segments(data) if s[1] == marker)
    return data[:at] + data[at + length :]


def changed(data: bytes, marker: int, position: int, value: bytes) -> bytes:
    at, _, _ = next(s for s in segments(data) if s[1] == marker)
    at += position
    return data[:at] + value + data[at + len(value) :]


def jpeg_files() -> dict[str, bytes]:
    files = {}
    for w, h in ((37, 29), (16, 16), (1, 1), (9, 70)):
        files[f"grey_{w}x{h}.jpg"] = jpeg(smooth(w, h, 1), quality=90)
        for subsampling in (0, 1, 2):
            for progressive in (False, True):
                if progressive and w < 37:
                    continue
                name = f"colour_{['444', '422', '420'][subsampling]}_{w}x{h}" + ("_progressive" if progressive else "")
                files[name + ".jpg"] = jpeg(smooth(w, h, 3), quality=85, subsampling=subsampling, progressive=progressive)
    files["grey_progressive.jpg"] = jpeg(smooth(37, 29, 1), quality=70, progressive=True)
    files["low_quality.jpg"] = jpeg(smooth(37, 29, 3), quality=5)
    files["noise.jpg"] = jpeg(noise(37 * 29 * 3, seed=1).reshape(29, 37, 3), quality=95)
    files["restarts.jpg"] = jpeg(smooth(70, 40, 3), quality=80, restart_marker_blocks=2)
    files["stored_as_rgb.jpg"] = jpeg(smooth(37, 29, 3), quality=80, keep_rgb=True)
    cmyk = jpeg(smooth(37, 29, 4), "CMYK", quality=90)
    files["cmyk_adobe.jpg"] = cmyk
    files["cmyk_progressive.jpg"] = jpeg(smooth(37, 29, 4), "CMYK", quality=90, progressive=True)
    files["cmyk_plain.jpg"] = without(cmyk, 0xEE)
    files["ycck_adobe.jpg"] = changed(cmyk, 0xEE, 15, b"\x02")
    # A 4:2:2 file read as 4:4:0 with its sides swapped has the same number of blocks, so it is a valid file too.
    wide = jpeg(smooth(40, 24, 3), quality=85, subsampling=1)
    sideways = changed(changed(wide, 0xC0, 5, struct.pack(">HH", 40, 24)), 0xC0, 11, b"\x12")
    files["colour_440.jpg"] = sideways
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010F] = "maker"
        exif[0x0112] = orientation
        files[f"exif_orientation{orientation}.jpg"] = jpeg(smooth(19, 12, 3), quality=90, exif=exif)
    little = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, 8) + bytes(4)
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    files["exif_little_endian.jpg"] = jpeg(smooth(19, 12, 3), quality=90, exif=little)
    files["exif_big_endian.jpg"] = jpeg(smooth(19, 12, 3), quality=90, exif=big)
    files["exif_nonsense.jpg"] = jpeg(smooth(19, 12, 3), quality=90, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    return files


def flat(image: Image.Image) -> Image.Image:
    """RGB, alpha dropped; of 16-bit grey the high byte, where Pillow's own conversion saturates."""
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def painted(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    layers = image.convert("RGBA")
    ground = Image.new("RGB", image.size, colour)
    ground.paste(layers, mask=layers.getchannel("A"))
    return ground


def record_files():
    rows = []
    for name, data in sorted((png_files() | jpeg_files()).items()):
        (OUT / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        plain = flat(image)
        try:
            turned = flat(ImageOps.exif_transpose(image))
        except Exception:
            turned = plain
        rows.append((name, plain.width, plain.height, fnv(plain.tobytes()), turned.width, turned.height, fnv(turned.tobytes())))
    table("decode.txt", "file width height hash turnedWidth turnedHeight turnedHash", rows)
    rows = []
    for name in sorted(p.name for p in OUT.glob("*.png")):
        with Image.open(OUT / name) as image:
            if image.mode in ("RGBA", "LA") or "transparency" in image.info:
                hashes = [fnv(painted(image, colour).tobytes()) for colour in ((255, 255, 255), (12, 130, 200))]
                rows.append((name, *hashes))
    table("painted.txt", "file onWhite on(12,130,200)", rows)


def table(name: str, columns: str, rows: list[tuple]):
    lines = [f"# {columns}"] + [" ".join(str(v) for v in row) for row in rows]
    (OUT / name).write_text("\n".join(lines) + "\n")


# ---- Resizing


FILTERS = {
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = [
    (1, 1, 7, 5),
    (2, 2, 1, 1),
    (7, 5, 1, 1),
    (3, 9, 4, 9),
    (9, 3, 9, 4),
    (10, 10, 10, 10),
    (16, 16, 8, 8),
    (16, 16, 32, 32),
    (17, 31, 13, 29),
    (13, 29, 17, 31),
    (100, 1, 33, 1),
    (1, 100, 1, 33),
    (100, 3, 1, 50),
    (64, 48, 336, 336),
    (64, 48, 33, 24),
    (640, 480, 336, 336),
    (480, 640, 336, 448),
    (300, 200, 301, 199),
    (257, 129, 128, 64),
    (500, 40, 20, 400),
    (333, 217, 224, 224),
    (121, 77, 120, 78),
    (5, 700, 50, 7),
    (255, 255, 254, 256),
    (91, 64, 30, 64),
    (64, 91, 64, 30),
    # Both sides of Pillow 13's rule for the order of the passes.
    (108, 240, 33, 33),
    (100, 100, 80, 60),
    (100, 100, 80, 59),
    (100, 100, 101, 99),
    (40, 40, 60, 39),
    (40, 90, 20, 10),
]


def record_opencv():
    """OpenCV's bilinear resize of 8-bit images, from one size to another, halved exactly among them."""
    import cv2

    rows = []
    for w, h, nw, nh in [
        (1, 1, 7, 5),
        (8, 5, 16, 16),
        (50, 80, 64, 64),
        (64, 64, 32, 32),
        (33, 47, 64, 64),
        (97, 61, 64, 64),
        (64, 20, 32, 32),
        (3, 200, 64, 64),
    ]:
        for kind in ("noise", "binary"):
            x = np.asarray(picture(w, h, kind))
            rows.append((kind, w, h, nw, nh, fnv(cv2.resize(x, (nw, nh), interpolation=cv2.INTER_LINEAR).tobytes())))
    table("opencv.txt", "kind width height newWidth newHeight hash", rows)


def record_tile_grids():
    """GOT-OCR2's choice of tiles (columns, rows) for image sizes, tiles of 1024."""
    rows = []
    for most in (1, 4, 6, 12):
        candidates = sorted({(i, j) for i in range(1, most + 1) for j in range(1, most + 1) if i * j <= most}, key=lambda g: (g[0] * g[1], g[0]))
        for w, h in [
            (100, 100),
            (1700, 2200),
            (2200, 1700),
            (4000, 1000),
            (500, 3000),
            (1024, 1024),
            (2048, 2048),
            (3000, 2000),
            (640, 480),
            (9, 4000),
            (1500, 1000),
        ]:
            best, smallest = (1, 1), float("inf")
            for i, j in candidates:
                difference = abs(w / h - i / j)
                if difference < smallest or difference == smallest and w * h > 0.5 * 1024 * 1024 * i * j:
                    best, smallest = (i, j), difference
            rows.append((w, h, most, *best))
    table("tile_grids.txt", "width height most columns rows", rows)


def record_pages():
    """DeepSeek-OCR: columns and rows of the tiles of 640 among 2 to 9, and where Pillow's ImageOps.pad puts the page on a square."""
    grids = {(i, j) for n in range(2, 10) for i in range(1, n + 1) for j in range(1, n + 1) if 2 <= i * j <= 9}
    rows = []
    for w, h in sizes(700, 3000, 14) + [(640, 640), (1280, 640), (2560, 1280), (1000, 800), (800, 1000), (3, 299), (1, 1), (1025, 1024)]:
        best, smallest = (1, 1), float("inf")
        for i, j in sorted(grids, key=lambda g: g[0] * g[1]):
            difference = abs(w / h - i / j)
            if difference < smallest or difference == smallest and w * h > 0.5 * 640 * 640 * i * j:
                best, smallest = (i, j), difference
        # The rule is one for all sides; small ones round more often.
        side = 40 + (w * 7 + h) % 200
        scale = max(w, h) / 300
        small = (max(1, round(w / scale)), max(1, round(h / scale)))
        if min(small) / max(small) * side < 1:
            continue
        left, top, right, bottom = ImageOps.pad(Image.new("L", small, 255), (side, side), color=0).getbbox()
        rows.append((w, h, *best, *small, side, left, top, right - left, bottom - top))
    table("pages.txt", "width height columns rows paddedWidth paddedHeight side x y width height", rows)


def record_resizes():
    rows = []
    for w, h, nw, nh in SIZES:
        kind = "binary" if (w + h + nw) % 2 else "noise"
        image = picture(w, h, kind)
        for name, code in FILTERS.items():
            rows.append((kind, w, h, name, nw, nh, fnv(image.resize((nw, nh), code).tobytes())))
    table("resize.txt", "kind width height filter newWidth newHeight hash", rows)


# ---- HiRes-LLaVA


def sliced(width, height, r, limit, quadruple):
    n, m = -(-width // r), -(-height // r)
    if n * m > limit:
        scales = {Fraction(k * r, width) for k in range(1, n + 1)} | {Fraction(k * r, height) for k in range(1, m + 1)}
        for s in sorted(scales, reverse=True):
            n, m = max(1, ceil(s * width / r)), max(1, ceil(s * height / r))
            if s < 1 and n * m <= limit:
                break
    elif quadruple and 4 * n * m <= limit:
        n, m = 2 * n, 2 * m
    scale = min(Fraction(n * r, width), Fraction(m * r, height))
    fitted = min(n * r, ceil(width * scale)), min(m * r, ceil(height * scale))
    return n, m, *fitted, (n * r - fitted[0]) // 2, (m * r - fitted[1]) // 2


def sizes(count: int, largest: int, seed: int) -> list[tuple[int, int]]:
    """Sides spread evenly over orders of magnitude."""
    draws = np.random.default_rng(seed).uniform(0, np.log(largest), (count, 2))
    return [tuple(int(v) for v in np.exp(row)) for row in draws]


def record_slicings():
    cases = [(w, h, 336, 16, False) for w, h in ((1344, 1344), (1920, 1080), (336, 336), (500, 400), (672, 672), (1, 1), (10000, 100))]
    settings = [(336, 16), (336, 9), (224, 16), (448, 12), (32, 4), (336, 1), (56, 64)]
    for i, (w, h) in enumerate(sizes(800, 6000, seed=1)):
        r, limit = settings[i % len(settings)]
        cases.append((w, h, r, limit, i % 3 == 0))
    rows = [(w, h, r, limit, int(q), *sliced(w, h, r, limit, q)) for w, h, r, limit, q in cases]
    table("../../FamiliesTests/Fixtures/slicing.txt", "width height resolution maxSlices quadruple columns rows fitWidth fitHeight x y", rows)


# ---- LLaVA-NeXT

PINPOINTS = [  # (width, height)
    [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)],
    [(c * 336, r * 336) for c in range(1, 7) for r in range(1, 7) if c * r <= 6],
    [(112, 224), (224, 112), (224, 224)],
]


def record_any_resolution():
    rows = []
    for i, (w, h) in enumerate(sizes(600, 5000, seed=2) + [(640, 480), (1920, 1080), (336, 336), (1000, 300), (4000, 500)]):
        index = i % len(PINPOINTS)
        height, width = image_processing_utils.select_best_resolution((h, w), [(b, a) for a, b in PINPOINTS[index]])
        blank = np.broadcast_to(np.uint8(0), (3, h, w))
        fit_h, fit_w = image_processing_utils.get_patch_output_size(blank, (height, width), "channels_first")
        (top, _), (left, _) = LlavaNextImageProcessorPil._get_padding_size(None, (fit_h, fit_w), (height, width))
        grid_h, grid_w = height // 14, width // 14
        grid = np.arange(grid_h * grid_w).reshape(1, grid_h, grid_w)
        kept = modeling_llava_next.unpad_image(grid, (h, w))
        # Of an image far wider or higher than the grid nothing may be left.
        first = divmod(int(kept.min()), grid_w) if kept.size else (-1, -1)
        rows.append((w, h, index, width, height, fit_w, fit_h, left, top, *kept.shape[1:], *first))
    table("any_resolution.txt", "width height pinpoints chosenWidth chosenHeight fitWidth fitHeight x y rows columns firstRow firstColumn", rows)


# ---- CLIP


def record_clip():
    rows = []
    for i, (w, h) in enumerate(sizes(40, 400, seed=3) + [(336, 336), (337, 336), (300, 200), (224, 500)]):
        edge, crop = [(32, 32), (56, 48), (48, 56), (33, 20)][i % 4]
        if max(w, h) > 40 * min(w, h):
            continue
        image = np.moveaxis(np.array(picture(w, h, "noise")), -1, 0)
        size = image_transforms.get_resize_output_image_size(image, edge, default_to_square=False, input_data_format="channels_first")
        small = image_transforms.resize(image, size, Image.Resampling.BICUBIC, input_data_format="channels_first")
        middle = image_transforms.center_crop(small, (crop, crop), input_data_format="channels_first")
        values = image_transforms.rescale(middle, 1 / 255, input_data_format="channels_first")
        values = image_transforms.normalize(values, CLIP_MEAN, CLIP_STD, input_data_format="channels_first")
        assert values.dtype == np.float32
        rows.append((w, h, edge, crop, size[1], size[0], fnv(values.tobytes())))
    table("clip.txt", "width height edge crop resizedWidth resizedHeight hash", rows)


def record_squares():
    rows = []
    for w, h in ((5, 5), (5, 8), (9, 4), (1, 10), (64, 33)):
        image, side = picture(w, h, "noise"), max(w, h)
        square = Image.new("RGB", (side, side), (122, 116, 104))
        square.paste(image, ((side - w) // 2, (side - h) // 2))
        rows.append((w, h, fnv(square.tobytes())))
    table("square.txt", "width height hash", rows)


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    record_files()
    record_resizes()
    record_opencv()
    record_tile_grids()
    record_pages()
    record_slicings()
    record_any_resolution()
    record_clip()
    record_squares()
