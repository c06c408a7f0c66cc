//go:build greenlet_foreign && cgo && linux

#include "sax.h"

static void start(void *doc, const XML_Char *name, const XML_Char **attributes)
{
    saxStart((uintptr_t)doc, (char *)name, (char **)attributes);
}

static void end(void *doc, const XML_Char *name) { saxEnd((uintptr_t)doc, (char *)name); }

static void text(void *doc, const XML_Char *s, int size) { saxText((uintptr_t)doc, (char *)s, size); }

void sax_begin(XML_Parser parser, uintptr_t doc)
{
    XML_SetUserData(parser, (void *)doc);
    XML_SetElementHandler(parser, start, end);
    XML_SetCharacterDataHandler(parser, text);
}
