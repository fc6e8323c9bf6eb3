"""Pure Python: floats, objects and their methods, dictionaries of words, generators, lists that are sorted, whole numbers of many digits."""


class Body:
    def __init__(self, x, y, vx, vy, mass):
        self.x, self.y, self.vx, self.vy, self.mass = x, y, vx, vy, mass

    def move(self, step):
        self.x += self.vx * step
        self.y += self.vy * step


def bodies(steps):
    all_ = [Body(n, n * n % 7, 0.1 * n, -0.2 * n, 1.0 + n) for n in range(5)]
    for _ in range(steps):
        for i, one in enumerate(all_):
            for other in all_[i + 1:]:
                dx, dy = one.x - other.x, one.y - other.y
                pull = 0.01 / (dx * dx + dy * dy + 1.0) ** 1.5
                one.vx -= dx * other.mass * pull
                one.vy -= dy * other.mass * pull
                other.vx += dx * one.mass * pull
                other.vy += dy * one.mass * pull
        for one in all_:
            one.move(0.01)
    return sum(one.x + one.y for one in all_)


def words(count):
    seen = {}
    number = 12345
    for _ in range(count):
        number = (number * 1103515245 + 12345) % 2147483648
        word = "w" + str(number % 1000)
        seen[word] = seen.get(word, 0) + 1
    return sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:3]


def queens(size):
    def place(row, columns, left, right):
        if row == size:
            yield 1
        for column in range(size):
            if column not in columns and row - column not in left and row + column not in right:
                yield from place(row + 1, columns | {column}, left | {row - column}, right | {row + column})

    return sum(place(0, frozenset(), frozenset(), frozenset()))


def digits(count):
    value = 1
    for n in range(2, count):
        value *= n
    return len(str(value))


print(round(bodies(8000), 6), words(100000), queens(7), digits(1400))
