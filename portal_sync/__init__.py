"""What the public sees: the portal brought to what contracts and exports say, by a plan that is made before it is done.

`python -m portal_sync plan [--json]` prints the plan, `python -m portal_sync apply` carries it out.
"""
