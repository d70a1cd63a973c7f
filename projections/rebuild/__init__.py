"""Rebuilds a read model beside the version that answers, then switches over."""
