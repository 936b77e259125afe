"""What usdcat, usdtree and usddiff do, and cutting and shifting in time: usd-core's wheel has no command-line tools."""
