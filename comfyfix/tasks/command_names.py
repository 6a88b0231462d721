"""Our commands, as doit takes them: name → module and class."""

COMMANDS = {
    "run": "comfyfix.tasks.commands.run:RunCommand",
    "list": "comfyfix.tasks.commands.list:List",
    "plan": "comfyfix.tasks.commands.plan:Plan",
    "scan": "comfyfix.tasks.commands.scan:Scan",
    "verify": "comfyfix.tasks.commands.verify:Verify",
    "relink": "comfyfix.tasks.commands.relink:Relink",
    "embed": "comfyfix.tasks.commands.embed:Embed",
    "why": "comfyfix.tasks.commands.why:WhyOfModel",
    "script": "comfyfix.tasks.commands.script:Script",
    "pin": "comfyfix.tasks.commands.pin:Pin",
    "unpin": "comfyfix.tasks.commands.pin:Unpin",
    "info": "comfyfix.tasks.commands.info:Info",
    "dumpdb": "comfyfix.tasks.commands.doits_own:DumpDB",
    "help": "comfyfix.tasks.commands.help:Help",
    "tabcompletion": "comfyfix.tasks.commands.tabcompletion:TabCompletion",
    "strace": "comfyfix.tasks.commands.doits_own:Strace",
    "forget": "comfyfix.tasks.commands.forget:Forget",
    "ignore": "comfyfix.tasks.commands.doits_own:Ignore",
    "clean": "comfyfix.tasks.commands.clean:Clean",
    "reset-dep": "comfyfix.tasks.commands.doits_own:ResetDep",
}
