"""What is trained beside the cross entropy of emotions: contrasts and adversaries, for stages 3 and 4.

The factor ``loss`` names them, joined by ``+``: ``supcon`` (supervised contrast across languages), ``grl`` (an
adversary that is to tell speakers, through gradient reversal), ``dann`` (one that is to tell languages), ``mixup``
(mixed pairs of utterances). Study C is ``supcon+grl``.
"""
