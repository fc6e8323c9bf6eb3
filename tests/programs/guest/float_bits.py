"""Bits of many floating-point results: a digest for each operation, so that one that differs is named."""
import hashlib
import math
import operator
import random
import struct

random.seed(20230610)


def floats(count):
    """Numbers of every kind: any bits, small ones, whole ones, powers of two, NaN and infinity."""
    for n in range(count):
        kind = n % 5
        if kind == 0:
            yield struct.unpack("<d", random.randbytes(8))[0]
        elif kind == 1:
            yield random.uniform(-10, 10)
        elif kind == 2:
            yield float(random.randint(-1000, 1000))
        elif kind == 3:
            yield math.ldexp(random.choice((-1, 1)), random.randint(-1074, 1023))
        else:
            yield random.choice((0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 0.5))


def bits(value):
    if isinstance(value, tuple):
        return b"".join(map(bits, value))
    if isinstance(value, float):
        # Which NaN comes out of the C library's functions is theirs to say; that it is one is not.
        return b"NaN" if math.isnan(value) else struct.pack("<d", value)
    return repr(value).encode()


def digest(name, operation, arity, count=500):
    state = hashlib.sha256()
    operands = list(floats(count * arity))
    for n in range(count):
        try:
            result = operation(*operands[n * arity:(n + 1) * arity])
        except (ArithmeticError, ValueError) as error:
            result = type(error).__name__
        state.update(bits(result))
    print(f"{name} {state.hexdigest()[:16]}", flush=True)


for name in "add sub mul truediv floordiv mod lt eq pow".split():
    digest(name, getattr(operator, name), 2)
for name in ("sqrt exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh gamma lgamma erf erfc "
             "cbrt floor ceil trunc frexp modf ulp degrees").split():
    digest(name, getattr(math, name), 1)
for name in "atan2 hypot fmod remainder copysign nextafter".split():
    digest(name, getattr(math, name), 2)
digest("single", lambda x: struct.unpack("<f", struct.pack("<f", x))[0], 1)
digest("half", lambda x: struct.unpack("<e", struct.pack("<e", x))[0], 1)
digest("text", lambda x: float(repr(x)) if math.isfinite(x) else 0.0, 1)
digest("format", lambda x: f"{x:.17g} {x:.3f} {x.hex()}", 1, 100)
digest("round", lambda x: round(x, 3), 1)
digest("whole", int, 1)
digest("fsum", lambda *values: math.fsum(filter(math.isfinite, values)), 20, 50)
