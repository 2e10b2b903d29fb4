"""The SageMaker contract as an executable suite, for any image in an engine.

It knows images, containers and samples; it never imports the matrix, and it shares no constant
with the programs inside our images, so that one mistake cannot pass on both sides.
"""
