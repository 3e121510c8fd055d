//! The phrases of the refusal screen, of our own choice. Kept out: how they are weighed (`screen`).

/// Said of the request itself: nothing of it will be done.
pub(super) const FIRM: &[&str] = &[
    // I can't help, write, do that ...
    r"\b(?:i|we)(?:'m| am|'d| would| will| must| have to|'ll| do| are|'re)? ?(?:really |simply |just |sadly |unfortunately |therefore |also |still )?(?:can't|cannot|can not|cant|couldn't possibly|won't|wont|will not|shan't|don't|do not|not able to|unable to|not going to|not willing to|not allowed to|not permitted to|not in a position to|won't be able to|will not be able to|would not|wouldn't|may not|must not|not comfortable|not here to) ?(?:be able to |really |in good conscience |go ahead and |possibly |even |ever |currently |be )?(?:to )?(?:help(?:$|[^ ]| [^b]| b[^u])|assist|comply|fulfil|fulfill|do (?:that|this|so|it|any of)|write|create|produce|generate|draft|compose|make (?:this|that|such|a|an)|provide|share|support|engage|continue|proceed|participate|take part|take this on|go (?:there|into|along)|discuss|disclose|reveal|repeat|process|answer|respond|pretend|play|follow|add|offer|copy|carry out|encourage|explain how|name the|part of)",
    r"\bi(?:'m| am)? (?:really )?(?:don't|do not|not) (?:feel )?(?:comfortable|willing|wish|want to (?:help|be|do|write|answer|continue|support)|think i (?:should|can)|help(?: to)?\b|give (?:instructions|advice)|have any interest)",
    r"\b(?:i|we) (?:must|have to|need to|will have to|am going to have to|would have to|'ll have to|respectfully|hereby|will)? ?(?:respectfully |politely )?(?:decline|refuse|pass on|turn (?:this|that|it) down|say no|sit this|stop you|leave (?:it|this|that) (?:out|there|alone|one))",
    r"\bi(?:'m| am|'ll| will)(?: going| have)?(?: to)? (?:have to )?(?:respectfully )?(?:declin|refus|pass on this|sit this|leave this)",
    r"\bi'd (?:rather|prefer) (?:not|to steer)|\bi would (?:rather|prefer) (?:not|to steer)|\bi prefer not",
    r"\bnot (?:something|a thing|anything) (?:that )?i(?:'m| am)?(?: can| will| do| could|'ll| would| willing| able)",
    r"\b(?:isn't|is not|are not|aren't) something (?:that )?(?:i|we)(?:'m| am)? ?(?:can|do|will|would|willing|able|support|offer)\b|\bsomething (?:that )?i (?:can't|cannot|won't|will not)\b",
    r"^(?:no|nope),? (?:sorry|thanks|thank you)$",
    r"\bi(?:'m| am)(?: choosing| deciding)? not to (?:answer|respond|help|do|write)|\bchoosing not to|\bdecided not to (?:write|answer|help|do)",
    r"\b(?:can't|cannot|can not) (?:do|help) (?:that|this|you|with)\b.{0,20}$",
    r"^(?:nope|no|sorry|never)[,.]? ?(?:sorry|can't|cannot|i can't|i won't|not going to|no can do)?\b.{0,25}\b(?:won't|can't|cannot|not going to|no can do)\b",
    r"\bno can do\b|\bnot happening\b|\bcount me out\b|\bno way i(?:'m| am)\b|\byou won't get (?:that|this|it) from me\b",
    r"\b(?:my|our|the|these|its|this service's)? ?(?:guidelines?|polic(?:y|ies)|rules|principles|programming|instructions|terms)(?: of \w+ \w+)? (?:do not|don't|doesn't|does not|forbids?|prohibits?|prevents?|won't) ?(?:allow|let|permit|me|us)?",
    r"\b(?:against|violates?|conflicts? with|goes against|breach of|contrary to) (?:my|our|the|its)? ?(?:usage |content |own |safety )?(?:polic|guideline|rules|principles|terms|confidence)",
    r"\b(?:request|content|prompt|message|question)s? (?:\w+ ){0,5}(?:was|were|is|are|has been|have been|cannot be|can't be) (?:blocked|declined|refused|rejected|not supported|generated|flagged|fulfilled)",
    r"\bi(?:'m| am) (?:programmed|designed|made|built|trained|here|told|instructed)\b.{0,60}\b(?:not to|decline|cannot|can't|only)\b",
    r"\b(?:outside|beyond) (?:of )?(?:what|the scope|my scope|my remit)",
    r"\bi keep my\b|\bi don't take part\b|\bi stay out of\b|\bi draw the line\b|\bcrosses a line\b|\bleft? unanswered\b|\bstay silent\b",
    r"\b(?:please )?don't ask me (?:for|to|about)\b|\blet's (?:talk about something else|not go there|change the (?:subject|topic))|\bperhaps a different (?:question|topic)|\bleave that topic\b",
    r"\b(?:assistant|bot|service|model) (?:does not|doesn't|will not|won't|cannot|can't) (?:give|help|provide|answer|discuss|support|offer)",
    r"\bnot one that i can\b|\bi only answer\b|\bi do not (?:create|provide|produce|write|help)\b|\bi don't (?:create|provide|produce|write|help)\b",
    // German
    r"\b(?:ich|wir) (?:kann|können|darf|dürfen|werde|werden|möchte|will)\b.{0,60}\b(?:nicht|keine?n?|nichts)\b.{0,40}\b(?:helfen|unterstützen|machen|tun|beantworten|schreiben|verfassen|erstellen|geben|weitergeben|mitteilen|anbieten|nachkommen|erfüllen)\b",
    r"\b(?:dabei|damit|dazu|das|darüber|hier|bei so etwas|hierbei) (?:kann|darf|möchte|werde|will|helfe|mache|muss) (?:ich|wir)\b.{0,40}\b(?:nicht|nichts|keine?n?|ablehnen|passen)\b",
    r"\b(?:das|so etwas|dabei|damit) (?:mache|tue|schreibe|unterstütze) ich nicht\b|\bhelfe ich nicht\b|\bschreibe ich nicht\b|\bich helfe (?:dabei |dir |ihnen )?nicht\b",
    r"\bich (?:lehne|weigere|muss)\b.{0,30}\b(?:ab|ablehnen|mich)\b|\bhier muss ich (?:leider )?(?:ablehnen|passen)|\bnicht in der lage\b.{0,60}\b(?:zu )?\w+en\b|\bich bin nicht (?:befugt|berechtigt)",
    // French
    r"\bje (?:ne |n')(?:peux|puis|vais|veux|ferai|souhaite|suis)\b ?(?:malheureusement |donc )?(?:pas|point)\b ?(?:vous |t'|te |en mesure|autoris|capable|répondre|écrire|faire|aider|donner|fournir|partager|cela|ça|pouvoir|participer|continuer)",
    r"\bje (?:refuse|décline|dois (?:décliner|refuser)|préfère ne pas|m'abstiens)|\b(?:il )?m'est impossible|\bpas le droit de\b|\bje n'ai pas le droit",
    // Spanish
    r"\bno (?:puedo|podemos|voy a|vamos a|quiero|debo|me es posible|estoy (?:autorizad|en condiciones|capacitad))\w*\b ?(?:ayudar|asistir|responder|contestar|escribir|dar|proporcionar|compartir|hacer|participar|cumplir|continuar|hablar|para|crear|generar|revelar|facilitar|apoyar|dar)?",
    r"\bme niego\b|\bprefiero no\b|\b(?:lamento|siento) no poder\b|\bno lo puedo hacer\b|\bdebo (?:negarme|rechazar|declinar)\b",
    // Italian, Portuguese
    r"\bnon posso (?:aiutar|risponder|farlo|fornir|scriver|continuar)|\bmi rifiuto\b|\bnão posso (?:ajudar|responder|fazer|fornecer|escrever|continuar)|\brecuso-me\b",
];

/// Said of an ability or of knowledge: a refusal when nothing else follows.
pub(super) const SOFT: &[&str] = &[
    r"\b(?:i|we)(?:'m| am|'re| are)? ?(?:\w+ )?(?:can't|cannot|can not|don't|do not|not able to|unable to|no way to|not sure i|couldn't) (?:really |possibly )?(?:have (?:access|any|the)|have\b|open|see|access|look up|browse|tell|say|give|run|remember|know|predict|recommend|make (?:phone )?calls|understand|find|verify|promise|do the whole|guarantee|read|hear)",
    r"\bi (?:have|had) no (?:way|access|information|idea|data|interest)|\bi don't know\b|\bi(?:'m| am) not sure\b|\bdid not understand\b|\bdidn't understand\b",
    r"\bi(?:'m| am) (?:just|only) a (?:text |language )?model\b|\bi(?:'m| am) not a (?:doctor|lawyer)\b",
    r"\bi'm sorry, dave\b",
];

/// Turns of speech that decline nothing.
pub(super) const IDIOM: &[&str] = &[
    r"\b(?:recommend|thank|praise|stress|emphasi[sz]e)\b.{0,60}\benough\b|\bhelp but\b|\bagree more\b|\bfind (?:a single|any (?:mistake|error|fault|bug|problem))|\bsee anything wrong\b|\bpuedo esperar\b|\bpeux pas mieux\b|\bkeinen schöneren\b|\bwait to\b|\bwon't (?:lie|pretend this|deny)\b",
];

/// Announces the answer itself: whatever was said before it is a caveat.
pub(super) const ANSWER: &[&str] = &[
    r"\b(?:here(?:'s| is| are)|this is) (?:the|a|an|how|what|my|your|one|some|another)\b",
    r"\bwhat i can (?:tell|say|do)\b|\bso i (?:did|assume|have|made|wrote)\b|\b(?:but|in) general(?:ly)?\b|\bthe usual (?:order|way to do)\b|\bthe (?:cause|trick|answer|solution) is\b",
    r"\bbut (?:the|from the|a|give it|try|for|it|most|many)\b",
];

/// Words of an offer, of regret or of a reason: no part of an answer.
pub(super) const ASIDE: &[&str] = &[
    r"\b(?:i|we)(?: can|'d| would| could|'ll| will|'m| am| may| might)\b|\bi(?: do)? (?:understand|hear|see|know|appreciate|believe|think|hope|notice|want|still|keep|suggest|don't|have)\b|\blet me\b|\blet's\b|\b(?:would|do|shall|could|can|may) (?:you|we|i)\b|\bfeel free\b|\bhow about\b|\bis there\b|\?$|\bif (?:you|there|it|the)\b|\bplease\b|\bwhat else\b|\bask me\b|\bthank",
    r"\b(?:contact|reach out|call|talk|speak|doctor|lawyer|pharmacist|police|counsellor|therapist|adviser|crisis|hotline|emergency|helpline|support|someone you trust|professional|office|authorit|charit|food banks?|recovery|consent)\w*\b",
    r"\b(?:because|since|illegal|unlawful|lawful|harm\w*|danger\w*|hurt\w*|policy|policies|rules|guidelines|privacy|risk\w*|respect\w*|wrong|crime|theft|safe\w*|trust|dishonest|unethical|ethic\w*|reasons?|deserve\w*|protect\w*|values|truth|true|rumou?rs?|injur\w*|cost you|people|instead|sorry|regret|understanding|exception|judgement|request\w*|question|sorgen|bitte|hilfe|quieres|otra cosa)\b",
];
