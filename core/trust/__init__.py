"""Trust: approvals, access requests, grants, enforcement, egress and the audit."""
