"""What trainer and auditor share of personal models: a population's file, a posterior, and what both say of posts.

Pure: arrays in, arrays out. The same ratings, population and version of the code give the same bytes.
"""
