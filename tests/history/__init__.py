"""History independence: no client's query changes another client's answer.

A *history* is a sequence of queries and changes. After any history the reply to a query
must be one that a server gives that has heard nothing but this query.
"""
