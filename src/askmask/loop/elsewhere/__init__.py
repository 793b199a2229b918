"""The loop's work on images by jobs of an executor: other processes, or other machines.

`bench` is what a job needs of a project, `shards` are jobs of some seconds, and `scoring`,
`judging` and `predicting` are what is done with an image.
"""
