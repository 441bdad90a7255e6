"""How to use the server. What it says comes from `facts.json`, which the product's own code generates."""

from __future__ import annotations

import json
import random
from pathlib import Path

from ..conversation import Conversation, ask
from ..phrasing import add_noise, phrase

FACTS_FILE = Path(__file__).parents[2] / "facts.json"
FACTS = json.loads(FACTS_FILE.read_text(encoding="utf-8"))

_BASE = f"http://localhost:{FACTS['port']}"
_ROUTES = FACTS["routes"]
_HEADER = FACTS["priority_header"]
_CLASSES = ", ".join(FACTS["priorities"][:-1]) + " or " + FACTS["priorities"][-1]
_CONFIG = FACTS["config_file"]


def _command(name: str) -> str:
    if name not in FACTS["commands"]:
        raise ValueError(f"{name} is no command of Hearth: see {FACTS_FILE.name}")
    return f"`hearth {name}`"


def _parameter(name: str) -> str:
    if name not in FACTS["parameters"]:
        raise ValueError(f"{name} is no parameter of Hearth: see {FACTS_FILE.name}")
    return f"`{name}`"


_CURL = f"""```sh
curl {_BASE}{_ROUTES["chat"]} -H 'content-type: application/json' -d '{{
  "model": "ember",
  "messages": [{{"role": "user", "content": "Hello"}}]
}}'
```"""
_PYTHON = f"""```python
from openai import OpenAI

client = OpenAI(base_url="{_BASE}/v1", api_key="none")
answer = client.chat.completions.create(
    model="ember",
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)
```"""

# (seen wordings, unseen wordings, answer)
_INTENTS = (
    (
        (
            "<Where|On which port|On what port|On which address> does <Hearth|the server|it> <listen|run|answer>?",
            "<What|Which> <port|address|URL|base URL> does <Hearth|the server|it> <use|have|listen on|run on>?",
            "<What|Which> is <the|your> <port|address|URL|base URL><| of Hearth| of the server>?",
            "How do I <reach|find|connect to> <the server|Hearth|you>?",
            "<Tell me|Give me> the <port|base URL|address><| of Hearth| of the server><.|>",
            "<At|Under> <which|what> <address|URL|port> <is|can I find|do I reach> <Hearth|the server|the API>?",
            "<Hearth|Server> <port|address|URL><?|, please.>",
            "Where is <the API|the server|Hearth><| found| running>?",
            "<My program|My client> needs <the base URL|the address|a port>. <Which|What> is it?",
        ),
        ("Under what address can I reach the API?", "Port of the server?"),
        f"Hearth listens on {_BASE}. The API is under {_BASE}/v1.",
    ),
    (
        (
            "How <do I|can I|to> <call|use|ask|query> <you|Hearth|the server|the API> <with|using|from|through> <curl|the command line|a shell>?",
            "<Show me|Give me|Write> <a|the> curl <example|command|line|call><| for Hearth| for the chat><.|>",
            "<Is there|Do you have> a curl example?",
            "How <do I|can I> send a <request|chat|message> with curl?",
            "curl example<| please>",
            "<What|Which> curl <command|call|line> <do I need|do I use|works|do I type>?",
            "<I want|I would like> to <use|try|call you with> curl<. How?|.|>",
            "<Call|Ask|Test> <Hearth|the server|you> <with|by> curl<.|: how?|>",
        ),
        ("What would a curl call to you look like?", "I use curl. What do I type?"),
        _CURL,
    ),
    (
        (
            "How <do I|can I|to> <call|use|ask|query> <you|Hearth|the server|the API> <with|using|from|in> <Python|the OpenAI client|the OpenAI library|the OpenAI SDK|a program>?",
            "<Show me|Give me|Write> <a|the> <Python|OpenAI|SDK> <example|snippet|client example><| for Hearth><.|>",
            "<Does the OpenAI client work|Can I use the OpenAI client|Can I use the OpenAI SDK>?",
            "Python example<| please>",
            "<I want|I would like> to <use|call you from> <Python|the OpenAI client><. How?|.|>",
            "<What|Which> <Python|client> code <do I need|do I write|works><| for Hearth>?",
            "<My program is|I program> in Python<. How do I call Hearth?|. What do I write?>",
            "<Python|OpenAI client> for <Hearth|the server><?|: how?>",
        ),
        ("What does a Python program for Hearth look like?", "I write Python. How do I talk to Hearth?"),
        _PYTHON,
    ),
    (
        (
            "How <does|do> <the |>priorit<y|ies> work?",
            "How <do I|can I|to> <set|change|raise|give|choose> <the |a |>priority<| of a request| of my request>?",
            "<What|Which> priorities <are there|does Hearth have|exist|can I use>?",
            "How <do I|can I> make <a|my> request <faster|urgent|more important|go first>?",
            "<What is|Explain> <X-Priority|the X-Priority header|the priority header>< |>?",
            "<Explain|Describe> <the |>priorities<.|>",
            "<I want|My request should|Can my request> <to be first|go before others|be quicker>. How?",
            "<With|By> <which|what> header do I <choose|give|set> <the |a >priority?",
            "<Tell me|Say> <something |>about <the |>priorities<.|>",
            "<Is there|Do you have> <a priority|an urgent mode|a queue with priorities>?",
        ),
        ("My request should overtake others. How?", "Which header sets the priority?"),
        f"Send the header `{_HEADER}` with {_CLASSES}. Without it a request is {FACTS['default_priority']}.",
    ),
    (
        (
            "<Where|How> <are|do I find|can I see|can I get> <the |>metrics?",
            "How does <Hearth|the server> handle metrics?",
            "<Explain|Tell me> how <the server|Hearth> handles metrics<.|>",
            "<Does Hearth|Does the server|Can I> <support|have|use|speak> <Prometheus|Grafana|metrics>?",
            "How <do I|can I> <monitor|watch|measure> <Hearth|the server>?",
            "<At|Under> which <route|path|URL> <are|do I find> the metrics?",
            "<I use|We use> <Grafana|Prometheus>. <What do I open|How does it go>?",
            "<Numbers|Statistics|Counters> <of|for|about> <the server|Hearth><?|, please.>",
        ),
        ("Which route has numbers for Prometheus?", "I want to watch the server in Grafana. Where do I look?"),
        f"Open `{_ROUTES['metrics']}`. It serves counters and histograms for Prometheus.",
    ),
    (
        (
            "<Which|What> models <are there|do you have|does Hearth have|does the server have|are loaded|can I use>?",
            "How <do I|can I|to> <list|see|show|find> <the |all |>models?",
            "<List|Show me> <the |all |>models<.|>",
            "Where is the list of models?",
            "<Tell me|Give me> the <names of the |available |list of >models<.|>",
            "<What|Which> models <can I ask|do you serve|stand ready>?",
            "<I need|I want> <a list|the names> of <the |all >models<.|>",
        ),
        ("I want to know the available models.", "Get me an overview of the models."),
        f"Run {_command('models')}, or ask `GET {_ROUTES['models']}`.",
    ),
    (
        (
            "How <do I|can I> <chat|talk> <in|from|on> <the terminal|a terminal|the command line|my shell>?",
            "<Is there|Do you have> a <chat|terminal chat|command line chat>?",
            "How <do I|can I> <chat|talk> <with|to> <you|a model|the model><| here>?",
            "How do I <start|open> a chat?",
            "<I want|I would like> to <chat|talk><| with you> <here|in my shell|in a terminal|on the command line><.|. How?>",
            "<Can I|May I> <chat|talk> in <a|the|my> <terminal|shell>?",
            "<Terminal|Shell> <chat|talk><?|, please.>",
        ),
        ("Can I type to you in a console?",),
        f"Run {_command('chat')}. It talks to the running server.",
    ),
    (
        (
            "How <do I|can I|to> <use|serve|load|run|add> <my own model|another model|a GGUF file|a GGUF|my model|my own GGUF>?",
            "How <do I|can I> start <the server|Hearth> with <my model|another model|a GGUF file>?",
            "Can I <use|serve|load|run> <my own model|another model|a GGUF file|my own models>?",
            "I <have|own|made> <a GGUF|my own model|a model file>. <How do I use it|What do I do|How do I serve it>?",
            "<Serve|Load|Run> <my|a> <GGUF|model> <file|of mine><: how?|.|>",
            "<What|Which> command <serves|loads|starts> <my model|a GGUF file>?",
        ),
        ("I have a GGUF on disk. What now?",),
        "Start it with `hearth serve --model NAME=FILE.gguf`.",
    ),
    (
        (
            "How <do I|can I|to> <configure|set up|customize> <Hearth|the server|it>?",
            "<Where|What> is the <config|configuration|configuration file|config file|settings file>?",
            "How <do I|can I> <make|write|get|create> a <config|configuration|config file|configuration file>?",
            "<Where|How> <do I|can I> <change|find> <the |>settings?",
            "<Which|What> file <has|holds> the <settings|configuration|options>?",
            "<I want|I would like> to <change|see|write> <the settings|the configuration|a setting><.|. How?>",
            "<Settings|Configuration>: <where|how>?",
        ),
        ("In which file are the settings?",),
        f"Run {_command('config init')}. It writes {_CONFIG} with every key and its default.",
    ),
    (
        (
            "How <do I|can I|to> <stream|get a stream|stream answers|stream tokens|get tokens as they come>?",
            "<Does Hearth|Does the server|Can you|Do you> <support streaming|stream|stream answers>?",
            "How does streaming work?",
            "How do I turn on streaming?",
            "<I want|Can I have> <a stream|the tokens one by one|the answer while it is made><.|. How?|?>",
            "<Which|What> <parameter|field> <turns on|starts> <streaming|a stream>?",
            "<Token by token|Piece by piece>, <can you|how>?",
        ),
        ("I want each token as soon as it is there. How?",),
        f"Set {_parameter('stream')} to true. The answer then comes as server-sent events.",
    ),
    (
        (
            "How <do I|can I|to> <limit|shorten|cap|bound> <the |an |>answer<|s>?",
            "How <do I|can I> limit the <length|number of tokens|tokens>?",
            "What <is|does> max_tokens<| do| mean>?",
            "<Which|What> parameter <limits|sets> the length<| of an answer>?",
            "<I want|Give me> <shorter|short> answers<.|. How?>",
            "<The answer is|You talk> too <long|much>. <How do I|Can I> <limit|change> that?",
            "<At most|No more than> <100|50|20> tokens, how?",
        ),
        ("Your answers are too long. What can I set?",),
        f"Set {_parameter('max_tokens')} to the largest number of tokens you want.",
    ),
    (
        (
            "What <is|does> <temperature|the temperature><| do| mean>?",
            "How <do I|can I> <set|change|use> the temperature?",
            "How <do I|can I> make answers <more random|less random|deterministic|more creative|repeatable>?",
            "<Which|What> <parameter|setting> <makes|sets> <the randomness|answers random|how random it is>?",
            "<I want|Give me> <more|less> <random|creative|varied> answers<.|. How?>",
            "<Explain|Describe> <the |>temperature<.|>",
        ),
        ("Which knob controls randomness?",),
        f"Set {_parameter('temperature')}: 0 always takes the likeliest token, higher values are more random.",
    ),
    (
        (
            "How <do I|can I> get the same answer <again|twice|every time>?",
            "What <is|does> <seed|a seed|the seed><| do| mean| for>?",
            "How do I <set|use> a seed?",
            "<I want|I need> the same <answer|text|result> <again|each time|twice><.|. How?>",
            "<Can I|How do I> <repeat|reproduce> an answer<| exactly>?",
            "<Explain|Describe> <the |>seed<.|>",
        ),
        ("How are answers made reproducible?",),
        f"Send the same {_parameter('seed')} with the same request.",
    ),
    (
        (
            "<What|How> <are|do> stop <strings|sequences|words><| work>?",
            "How <do I|can I> <stop|end> <the|an> answer at a <word|string>?",
            "What does <stop|the stop parameter> do?",
            "<I want|The answer should|Can it> <to stop|stop|end> <at|before> <a word|a string|a text><.|. How?|?>",
            "<Explain|Describe> <stop|the stop strings><.|>",
            "<Which|What> parameter <ends|stops> <the answer|generation|the text> <at a word|early>?",
        ),
        ("Can generation end at a certain text?",),
        f"Set {_parameter('stop')} to up to four strings. The answer ends before the first that appears.",
    ),
    (
        (
            "How <do I|can I> <see|check|know|tell> <if|whether> <the server|Hearth|it> is <ready|up|healthy|alive|running>?",
            "<Is there|Do you have> a health <check|route|endpoint>?",
            "What is the <health|ready|readiness> <check|route|endpoint>?",
            "<Which|What> <route|URL|path> <tells|shows|says> <if|that> <the server|Hearth> is <up|alive|ready>?",
            "<I want|My script wants> to <know|see> <if|when> <Hearth|the server> is <ready|up><.|>",
            "Is <the server|Hearth> <up|ready|alive><, how do I see it>?",
        ),
        ("Which route does a load balancer ask?",),
        f"`GET {_ROUTES['health']}` says that the server answers, `GET {_ROUTES['ready']}` that a model does.",
    ),
    (
        (
            "How <do I|can I|to> <add|make|create|get> <an API key|a key|keys>?",
            "Do I need <an API key|a key|a password>?",
            "How <do|does> <API keys|keys|authentication> work?",
            "How <do I|can I> <protect|secure> <Hearth|the server>?",
            "<I want|I need> <a password|an API key|keys|a login><| for the server><.|. How?>",
            "<Which|What> command <makes|adds|creates> <a|an API> key?",
            "<Can|May> <everybody|anybody|others> use <Hearth|my server|the server>?",
        ),
        ("Not everybody should use my server. What do I do?",),
        f"On this machine none is needed. {_command('key add')} makes one, and then everybody needs one.",
    ),
    (
        (
            "How <do I|can I> <see|list|show> <the |>workers?",
            "<Which|What> workers <are running|run>?",
            "How much memory do the <workers|models> <use|take>?",
            "<Show|List|Give> me <all |the >workers<| and their memory| and their state><.|>",
            "<Which|What> <command|call> <shows|lists> the <workers|processes>?",
            "<Which|What> processes <run|are there|does Hearth have>?",
        ),
        ("I want to see each worker's pid.",),
        f"Run {_command('ps')}. It shows pid, state, age and memory of each.",
    ),
    (
        (
            "How <do I|can I> <unload|free|remove from memory> <a model|the model|the memory of a model>?",
            "How do I <give back|get back|free> <memory|the memory>?",
            "<I want|I need> <my memory back|to unload a model|the memory of the model><.|. How?>",
            "<Which|What> command <unloads|removes|frees> <a model|the model>?",
            "<Throw|Take|Put> the model out of memory<.|: how?>",
        ),
        ("The model should leave my memory. How?",),
        f"Run {_command('unload')} with its name. The next request loads it again.",
    ),
    (
        (
            "<Something is wrong|It does not work|Hearth does not work|Something is broken>. What <can|do|should> I do?",
            "How <do I|can I> <find problems|check my machine|check my setup|find what is wrong>?",
            "What does hearth doctor do?",
            "<Something|It> <fails|is broken|goes wrong><.|. Who helps?|. What do I run?>",
            "<Which|What> command <checks|tests|inspects> <my machine|my setup|the installation>?",
            "<Check|Test> my <setup|machine|installation><.|>",
        ),
        ("My installation seems broken. Who can tell?",),
        f"Run {_command('doctor')}. It checks versions, GPU, ports and folders.",
    ),
    (
        (
            "How <do I|can I> measure <the speed|how fast it is|the throughput|performance>?",
            "How fast is <Hearth|the server>?",
            "<Is there|Do you have> a benchmark?",
            "<I want|I need> to <measure|know|test> <the speed|the throughput|how fast it is><.|>",
            "<Which|What> command <measures|tests> <the speed|performance|throughput>?",
            "<Speed|Performance|Throughput><: how do I measure it| numbers>?",
        ),
        ("I want numbers on latency.",),
        f"Run {_command('bench')}. It measures a running server over HTTP.",
    ),
    (
        (
            "What is the admin port?",
            "<Which|What> port is for <admins|operators|administration>?",
            "Where is the admin <port|API>?",
            "<On|At> <which|what> port is the admin <API|interface>?",
            "<Tell me|Give me> the admin port<.|>",
            "<I am|We are> <an admin|an operator|operators>. <Which|What> port?",
        ),
        ("Where do operators connect?",),
        f"The admin port is {FACTS['admin_port']}. It is for operators only.",
    ),
)  # fmt: skip


def server_help(rng: random.Random, unseen: bool = False) -> Conversation:
    seen_patterns, unseen_patterns, answer = rng.choice(_INTENTS)
    question = phrase(rng, unseen_patterns if unseen else seen_patterns)
    return ask("server", question if unseen else add_noise(rng, question), answer)
