"""Rebuilds a read model beside the serving version, and switches over when it is verified."""
