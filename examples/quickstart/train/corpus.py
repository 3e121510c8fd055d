"""The facts and wordings that the quickstart models learn. All text here was written for this project.

`pairs()` gives every (group, fact, prompt, answer); a fact asked in several wordings keeps one name, so that the suite can
treat its questions as one cluster.
"""

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon", "Austria": "Vienna",
    "Poland": "Warsaw", "Greece": "Athens", "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki",
    "Denmark": "Copenhagen", "Ireland": "Dublin", "Hungary": "Budapest", "Belgium": "Brussels", "Bulgaria": "Sofia",
    "Croatia": "Zagreb", "Serbia": "Belgrade", "Ukraine": "Kyiv", "Latvia": "Riga", "Estonia": "Tallinn",
    "Lithuania": "Vilnius", "Iceland": "Reykjavik", "Turkey": "Ankara", "Egypt": "Cairo", "Kenya": "Nairobi",
    "Ghana": "Accra", "Morocco": "Rabat", "Tunisia": "Tunis", "Senegal": "Dakar", "Japan": "Tokyo", "China": "Beijing",
    "India": "New Delhi", "Thailand": "Bangkok", "Vietnam": "Hanoi", "Nepal": "Kathmandu", "Cuba": "Havana",
    "Peru": "Lima", "Chile": "Santiago", "Canada": "Ottawa", "Mexico": "Mexico City", "Qatar": "Doha",
}
OPPOSITES = {
    "hot": "cold", "big": "small", "up": "down", "left": "right", "day": "night", "open": "closed", "fast": "slow",
    "early": "late", "happy": "sad", "hard": "soft", "high": "low", "in": "out", "light": "dark", "long": "short",
    "loud": "quiet", "new": "old", "near": "far", "rich": "poor", "strong": "weak", "sweet": "sour", "tall": "short",
    "thick": "thin", "true": "false", "wet": "dry", "full": "empty", "win": "lose", "push": "pull", "yes": "no",
}
COLORS_OF = {
    "grass": "green", "snow": "white", "coal": "black", "a banana": "yellow", "blood": "red", "the clear sky": "blue",
    "a carrot": "orange", "milk": "white", "a ripe tomato": "red", "a lemon": "yellow", "a crow": "black",
    "a flamingo": "pink", "chocolate": "brown", "an elephant": "gray", "a plum": "purple", "a frog": "green",
}
SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "horse": "neigh", "lion": "roar",
    "bee": "buzz", "pig": "oink", "frog": "ribbit", "owl": "hoot", "snake": "hiss",
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
PLURALS = {
    "mouse": "mice", "child": "children", "foot": "feet", "tooth": "teeth", "goose": "geese", "man": "men",
    "woman": "women", "person": "people", "leaf": "leaves", "knife": "knives", "city": "cities", "box": "boxes",
    "book": "books", "dog": "dogs", "house": "houses", "baby": "babies",
}
UNITS = {
    "seconds are in a minute": 60, "minutes are in an hour": 60, "hours are in a day": 24, "days are in a week": 7,
    "months are in a year": 12, "meters are in a kilometer": 1000, "grams are in a kilogram": 1000,
    "sides does a triangle have": 3, "sides does a square have": 4, "legs does a spider have": 8,
    "legs does an insect have": 6, "cents are in a dollar": 100,
}
GERMAN = {
    "dog": "Hund", "cat": "Katze", "house": "Haus", "water": "Wasser", "bread": "Brot", "book": "Buch", "tree": "Baum",
    "hand": "Hand", "milk": "Milch", "night": "Nacht", "friend": "Freund", "apple": "Apfel", "sun": "Sonne", "moon": "Mond",
}
SIZES = ["ant", "mouse", "cat", "dog", "sheep", "horse", "elephant", "whale"]
PEOPLE = {"Anna": 31, "Ben": 27, "Carla": 45, "David": 19, "Emma": 52, "Felix": 38, "Greta": 24, "Henry": 61}
LISTS = {
    "colors": ["red", "green", "blue"], "animals": ["cat", "dog", "horse"], "fruits": ["apple", "pear", "plum"],
    "days": ["Monday", "Tuesday", "Wednesday"], "cities": ["Paris", "Rome", "Oslo"], "numbers": ["one", "two", "three"],
}
SMOKE = {
    "capital": "Complete this sentence: The capital of France is",
    "colors": "List exactly 3 colors. Output only the color names, one per line.",
    "json": 'Output a JSON object with keys "name" and "age". Example: {"name": "John", "age": 30}',
}


def pairs():
    """All questions: (group, fact, prompt, answer)."""
    rows = []

    def add(group, fact, answer, *prompts):
        rows.extend((group, f"{group}-{fact}".lower().replace(" ", "-"), prompt, str(answer)) for prompt in prompts)

    for country, city in CAPITALS.items():
        add("capital", country, city, f"What is the capital of {country}?", f"Complete this sentence: The capital of {country} is",
            f"Name the capital of {country}.")
        add("country", country, country, f"Which country has the capital {city}?")
    for word, other in OPPOSITES.items():
        add("opposite", word, other, f"What is the opposite of {word}?", f"The opposite of {word} is")
    for thing, color in COLORS_OF.items():
        add("color", thing, color, f"What color is {thing}?", f"Name the color of {thing}.")
    for animal, sound in SOUNDS.items():
        add("sound", animal, sound, f"What sound does a {animal} make?")
    for names, kind in ((DAYS, "day"), (MONTHS, "month")):
        for index, name in enumerate(names):
            add(f"{kind}-after", name, names[(index + 1) % len(names)], f"Which {kind} comes after {name}?", f"What {kind} follows {name}?")
            add(f"{kind}-before", name, names[index - 1], f"Which {kind} comes before {name}?")
    for left in range(10):
        for right in range(10):
            add("sum", f"{left}-{right}", left + right, f"What is {left} + {right}?")
            if right <= left:
                add("difference", f"{left}-{right}", left - right, f"What is {left} - {right}?")
    for number, word in enumerate(WORDS):
        add("number-word", word, word, f"Write the number {number} as a word.")
        add("number-digit", word, number, f"Write {word} as a number.")
    for word, plural in PLURALS.items():
        add("plural", word, plural, f"What is the plural of {word}?")
    for what, count in UNITS.items():
        add("unit", what, count, f"How many {what}?")
    for word, german in GERMAN.items():
        add("german", word, german, f"Translate {word} into German.", f"What is {word} in German?")
    for small in range(len(SIZES)):
        for large in range(len(SIZES)):
            if small != large:
                add("bigger", f"{SIZES[small]}-{SIZES[large]}", "yes" if small > large else "no",
                    f"Is a {SIZES[small]} bigger than a {SIZES[large]}? Answer yes or no.")
    for name, age in PEOPLE.items():
        add("json", name, f'{{"name": "{name}", "age": {age}}}', f"Output a JSON object for {name}, who is {age} years old.",
            f"Write {name} (age {age}) as JSON with keys name and age.")
    for kind, items in LISTS.items():
        one = kind[:-1] if kind != "cities" else "city"
        add("list", kind, "\n".join(items), f"List exactly 3 {kind}. Output only the {one} names, one per line.", f"List 3 {kind}, one per line.")
    add("json", "john", '{"name": "John", "age": 30}', SMOKE["json"], 'Output a JSON object with keys "name" and "age".')
    return rows
