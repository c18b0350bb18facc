"""What a model tells by itself, under the arguments of one call. Nothing here knows samples.

*Something is changed, the model is run again, and what differs is the answer.* Read in this order:

**Call** (`call`, `argument`). A model and its arguments, flat, so that they can be changed one by one. What an argument
is (an array, a list, a number, a frame, a labelled array), only `argument` asks. `advice` says what is missing, and
what is no model.

**Run** (`trace`, `dists`). One abstract run: NumPyro's own ``trace``, ``seed``, ``substitute`` and ``mask`` under
``jax.make_jaxpr``. It tells name, kind, shape and plates of every site. It computes nothing, so that ten million rows
cost as much as ten. What is inside of a distribution, only `dists` knows.

**Jaxpr** (`jaxpr`). One walk over the equations of that run, with three rules: from which latents a value is computed;
where one dimension of a value goes; what is picked by which index. These answers cost no further run.

**Sizes** (`sizes`; ``docs/pictures/sizes.png``). An axis of an argument becomes longer, and the model is run again. A
dimension that moves with it *follows* it. Axes that can only change together are one *size*. A dimension that follows
nothing is fixed by the model, or it is called "not told".

**Targets** (`targets`). What is predicted: observed sites, and latents that become observed when an argument is given
that is None now. Sizes that a target follows are *rows*. A latent that follows rows is *row-level*.

**Laws** (`replay`, `rows`, `index`, `support`, `interventions`). What a user takes for granted of a prediction: rows do
not act on each other, a row's place does not count, a latent's value stays in its row, an index exists, draws lie in
their support, handlers around the model leave fitted values alone. Each law changes one thing, runs the model on few
rows with a recorded
draw, and compares what sites are drawn with. `replay` makes the runs, decides whether two numbers differ, and is the
one place where an exception means "could not be told".

**Checksums** (`checksums`). Recorded deterministic values are computed anew from recorded latents. Where they come
again, they prove the model, the arguments and the rows.

**Inspection** (`inspection`). All of this for one call: each answer is worked out when it is first asked for, and kept.
``docs/pictures/graph.png`` shows what a review makes of it.
"""
