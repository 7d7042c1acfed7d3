"""The parts of bench/run: servers, content, measuring, rows, report."""
