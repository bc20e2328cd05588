"""A pytest plugin for runs that expect failures: few examples, the same each time, none made smaller."""

import resource

from hypothesis import Phase, settings

MEMORY = 4 * 1024**3
"""A changed loop that never ends must not take the machine's memory."""

settings.register_profile(
    "quick",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("quick")
resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
