"""Makes the JPEG files of this folder, and prints what they decode to.

Reference: Pillow 13.0.0 (libjpeg-turbo). Run: python make_jpegs.py
Each is 16 x 16, four flat 8 x 8 quarters, so that every block is one colour and decoders may differ by rounding only.
"""

from PIL import Image

INKS = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 64), (0, 0, 0, 0)]  # red, green, a darkened blue, white
cmyk = Image.new("CMYK", (16, 16))
for quarter, ink in enumerate(INKS):
    cmyk.paste(ink, (8 * (quarter % 2), 8 * (quarter // 2), 8 * (quarter % 2) + 8, 8 * (quarter // 2) + 8))
cmyk.save("cmyk.jpg", quality=95, subsampling=0)
cmyk.convert("RGB").save("progressive.jpg", quality=95, subsampling=0, progressive=True)
for name in ("cmyk.jpg", "progressive.jpg"):
    rgb = Image.open(name).convert("RGB")
    print(name, [rgb.getpixel((x, y)) for y in (4, 12) for x in (4, 12)])
