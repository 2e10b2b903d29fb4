"""The catalogue of a project's images, as a page, as Markdown and as JSON."""
