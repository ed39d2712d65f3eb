"""Measurements: minidns beside a bare UDP echo and beside any other server."""
