"""Bills of materials in CycloneDX's format, written from the locks by CycloneDX's own generator (`make sbom`)."""
