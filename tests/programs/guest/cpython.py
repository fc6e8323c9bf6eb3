"""CPython's own tests of the modules that are named: how many ran, and which failed. Nothing that depends on time is printed."""
import errno
import importlib
import os
import sys
import unittest
from test import support
from test.support import import_helper


def unlink(path):
    """As the tests' own; and what isn't there can't be removed from a read-only directory either."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EROFS):
            raise


def run(module, result):
    """By the module's test_main, where it has one: it prepares, and some classes are only bases of what it runs."""
    loader = unittest.defaultTestLoader
    if not hasattr(module, "test_main") or hasattr(module, "load_tests"):
        loader.loadTestsFromModule(module).run(result)
        return
    for owner in (support, module):
        owner.run_unittest = lambda *classes: unittest.TestSuite(map(loader.loadTestsFromTestCase, classes)).run(result)
        owner.run_doctest = lambda *_, **__: None
    module.test_main()


support.verbose = False
import_helper.unlink = unlink
# Some import what they have written to the present directory.
sys.path[0] = ""
for name in sys.argv[1:]:
    result = unittest.TestResult()
    run(importlib.import_module("test." + name), result)
    bad = sorted(str(case) for case, _ in result.failures + result.errors)
    print(f"{name}: {result.testsRun} run, {len(result.skipped)} skipped, {len(bad)} failed", *bad, sep="\n  ", flush=True)
