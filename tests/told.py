"""What a table of sites tells, as plain dicts."""


def kinds(table):
    return {name: site.kind for name, site in table.inspection.run.sites.items()}


def shapes(table):
    return {name: site.shape for name, site in table.inspection.run.sites.items()}
