"""A chat endpoint that speaks OpenAI's API, in the many ways in which servers speak it."""
