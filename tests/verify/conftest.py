from tests.verify.miniature import check, finished, miniature, signed

__all__ = ["check", "finished", "miniature", "signed"]
