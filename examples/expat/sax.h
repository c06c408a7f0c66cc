#include <expat.h>
#include <stdint.h>

/* Lets the parser call the functions below with doc. */
void sax_begin(XML_Parser parser, uintptr_t doc);

/* The callbacks, exported by expat.go. */
extern void saxStart(uintptr_t doc, char *name, char **attributes);
extern void saxEnd(uintptr_t doc, char *name);
extern void saxText(uintptr_t doc, char *text, int size);
