#ifdef __cplusplus
extern "C"
#endif
int throw_body(void *arg, void *value, void **result);
