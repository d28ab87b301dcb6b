"""Prints what the Autobahn suite found, and fails when a case failed."""

import collections
import json
import sys

with open(sys.argv[1]) as file:
    (agent, cases), = json.load(file).items()


def order(name):
    return [int(part) for part in name.split(".")]


counts = collections.Counter()
bad = []
for name in sorted(cases, key=order):
    result = cases[name]
    counts[result["behavior"]] += 1
    closing = result["behaviorClose"]
    fine = ("OK", "NON-STRICT", "INFORMATIONAL")
    if result["behavior"] not in fine or closing not in ("OK", "INFORMATIONAL"):
        bad.append("%s: %s, close %s (%s)" % (name, result["behavior"], closing, result["remoteCloseCode"]))
    elif result["behavior"] == "NON-STRICT":
        print("  %s is not as strict as it could be" % name)

print("%d cases of %s: %s" % (len(cases), agent, ", ".join("%d %s" % (n, word) for word, n in sorted(counts.items()))))
for line in bad:
    print("  " + line)
if bad or not cases:
    sys.exit("%d cases failed" % len(bad))
