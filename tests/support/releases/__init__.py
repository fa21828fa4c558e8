"""Databases of released versions, and what the version that wrote them answered.

`python -m tests.support.releases NAME` writes `tests/golden/releases/NAME`: do it once before a release that
moves or changes what is stored. `tests/backend/test_old_databases.py` opens every one of them.
"""
