"""CPython's own tests of the modules that are named: how many ran, and which failed. Nothing that depends on time is printed."""
import sys
import unittest
from test import support

support.verbose = False
for name in sys.argv[1:]:
    suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
    result = unittest.TestResult()
    suite.run(result)
    bad = sorted(str(case) for case, _ in result.failures + result.errors)
    print(f"{name}: {result.testsRun} run, {len(result.skipped)} skipped, {len(bad)} failed", *bad, sep="\n  ", flush=True)
