"""Makes tests/data/images: one small picture per kind of file, and prints size and CRC-32 of the RGB
bytes that OpenCV (JPEG) or PIL (the rest) decode them to, for tests/datasets/readers/image_file_test.

  python tests/parity/make_image_fixtures.py tests/data/images
"""
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def picture(w, h):
    y, x = np.mgrid[0:h, 0:w]
    r = 127 + 100 * np.sin(x / 3.0) * np.cos(y / 5.0)
    g = 255 * x / w
    b = 255 * y / h
    return np.stack([r, g, b], -1).astype(np.uint8)


def sixteen_bit_png(path, image):
    """PIL does not write 16-bit RGB; the low bytes here must not matter."""
    h, w, _ = image.shape
    rows = b"".join(b"\0" + b"".join(struct.pack(">H", int(v) * 256 + 200) for v in row.ravel())
                    for row in image)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    out = Path(sys.argv[1])
    image = picture(37, 29)
    rgb = Image.fromarray(image)
    rgb.save(out / "baseline_420.jpg", quality=85)
    rgb.save(out / "baseline_444.jpg", quality=85, subsampling=0)
    rgb.save(out / "progressive.jpg", quality=85, progressive=True)
    rgb.convert("L").save(out / "grey.jpg", quality=85)
    rgb.convert("CMYK").save(out / "cmyk.jpg", quality=85)
    rgb.quantize(16).save(out / "palette.png")
    sixteen_bit_png(out / "sixteen_bit.png", image)
    Image.fromarray(np.dstack([image, image[:, :, :1]])).save(out / "alpha.png")
    rgb.convert("1").save(out / "one_bit.png")
    rgb.save(out / "run_length.tga", compression="tga_rle")
    rgb.save(out / "plain.ppm")
    for path in sorted(out.iterdir()):
        if path.suffix == ".jpg":
            data = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[:, :, ::-1]
        elif path.name in ("sixteen_bit.png", "alpha.png"):
            data = image
        else:
            data = np.array(Image.open(path).convert("RGB"))
        crc = zlib.crc32(np.ascontiguousarray(data).tobytes())
        print(f'{{"{path.name}", {crc}u}},')


main()
