"""Drawing primitives: panels, lines, colours, SVG."""
