#!/usr/bin/env python3
"""Converts the prices of the package genai-prices (MIT) to prices.json.

Usage: import.py WHEEL > prices.json

The wheel has the prices as Python; its names are read as data, so that nothing of the package is run and nothing has to
be installed. Only prices per token of text are kept: a recorded usage counts no others.
"""

import datetime
import json
import re
import sys
import zipfile
from decimal import Decimal

KEPT = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
}


class Namespace(dict):
    """Names of classes, each of which makes a pair of its name and its fields."""

    def __missing__(self, name):
        if name == "list" or name.startswith("__"):
            raise KeyError(name)
        return lambda *args, **fields: (name, fields)


def number(value):
    value = Decimal(value)
    return int(value) if value == int(value) else float(value)


def price(value):
    if isinstance(value, Decimal):
        return number(value)
    _, tiered = value
    tiers = [{"above": tier["start"], "price": number(tier["price"])} for _, tier in tiered["tiers"]]
    return {"base": number(tiered["base"]), "tiers": tiers}


def match(clause):
    kind, fields = clause
    name = {"ClauseOr": "any", "ClauseAnd": "all"}.get(kind)
    if name:
        return {name: [match(inner) for inner in fields["or_" if name == "any" else "and_"]]}
    name = re.sub(r"(?<!^)([A-Z])", r"_\1", kind.removeprefix("Clause")).lower()
    value = next(iter(fields.values()))
    if name == "regex" and value.startswith("^(?!"):
        return look_ahead(value)
    return {name: value}


def look_ahead(pattern):
    """Converts an expression that begins with what must not follow: Rust's expressions cannot look ahead."""
    depth, end = 1, len("^(?!")
    while depth > 0:
        depth += {"(": 1, ")": -1}.get(pattern[end], 0)
        end += 1
    excluded = {"not": {"regex": "^" + pattern[len("^(?!") : end - 1]}}
    rest = pattern[end:]
    return {"all": [excluded, {"regex": "^" + rest}]} if rest else excluded


def prices_from(start, prices):
    converted = dict(start)
    converted.update((name, price(prices[1][key])) for key, name in KEPT.items() if prices[1].get(key) is not None)
    return converted


def conditions(constraint):
    if constraint is None:
        return {}
    kind, fields = constraint
    if kind == "StartDateConstraint":
        return {"since": fields["start_date"].isoformat()}
    # Times without a zone are UTC.
    utc = [fields[name].replace(tzinfo=fields[name].tzinfo or datetime.timezone.utc) for name in ("start_time", "end_time")]
    moments = [datetime.datetime.combine(datetime.date(1970, 1, 2), time).astimezone(datetime.timezone.utc) for time in utc]
    return {"from": moments[0].strftime("%H:%M:%S"), "to": moments[1].strftime("%H:%M:%S")}


def model(fields):
    prices = fields.get("prices", [])
    if isinstance(prices, tuple):
        prices = [prices_from({}, prices)]
    else:
        prices = [prices_from(conditions(entry.get("constraint")), entry["prices"]) for _, entry in prices]
    return {"id": fields["id"], "match": match(fields["match"]), "prices": prices}


def provider(fields):
    converted = {"id": fields["id"]}
    for name, ours in (("provider_match", "match"), ("model_match", "model_match")):
        if fields.get(name):
            converted[ours] = match(fields[name])
    if fields.get("fallback_model_providers"):
        converted["fallback"] = fields["fallback_model_providers"]
    models = [model(inner) for _, inner in fields["models"]]
    converted["models"] = [it for it in models if any("input" in prices or "output" in prices for prices in it["prices"])]
    return converted


def main(wheel):
    archive = zipfile.ZipFile(wheel)
    version = re.search(r"genai_prices-([^-]+)-", wheel).group(1)
    text = archive.read("genai_prices/data.py").decode()
    names = Namespace(datetime=datetime, Decimal=Decimal)
    # An annotation of a module's variable is evaluated; without it, the names of types are not needed.
    text = text.replace("providers: list[Provider] =", "providers =").replace("from .types import *", "")
    text = text.replace("import datetime\nfrom decimal import Decimal\n", "")
    exec(compile(text, "data.py", "exec"), names)
    # The format of the list: one model a line, so that two versions can be compared.
    print("{")
    print(f' "source": "genai-prices {version}, https://github.com/pydantic/genai-prices",')
    print(' "licence": "MIT, Copyright (c) Pydantic Services Inc. 2025 to present",')
    dates = re.findall(r"\b(20\d\d)-(\d\d)-(\d\d)\b|datetime\.date\((20\d\d), (\d+), (\d+)\)", text)
    # Prices that are announced for a later time are in the list, too.
    dates = (datetime.date(*(int(part) for part in found if part)) for found in dates)
    newest = max(date for date in dates if date <= datetime.date.today())
    print(f' "date": "{newest.isoformat()}",')
    print(' "unit": "USD per million tokens",')
    print(' "providers": [')
    providers = [provider(fields) for _, fields in names["providers"]]
    for index, it in enumerate(providers):
        models = it.pop("models")
        head = json.dumps(it, separators=(",", ":"))[:-1]
        print(f'  {head},"models":[')
        print(",\n".join("   " + json.dumps(entry, separators=(",", ":")) for entry in models))
        print("  ]}" + ("," if index + 1 < len(providers) else ""))
    print(" ]")
    print("}")


if __name__ == "__main__":
    main(sys.argv[1])
