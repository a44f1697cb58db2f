import type { core } from 'zod'

/** The keys of the map at a path in a schema; [] where there is no map. Pure. */
export function keysAt(schema: core.$ZodType, path: readonly PropertyKey[]): string[] {
  const shape = shapeOf(reached(schema, path))
  return shape ? Object.keys(shape) : []
}

/** The paths of all keys of a schema in their order, outer before inner: `mounts`, `mounts[].location`. Pure. */
export function allKeys(schema: core.$ZodType, before = ''): string[] {
  const plain = bare(schema)
  if (plain._zod.def.type === 'array')
    return allKeys((plain as core.$ZodArray)._zod.def.element, `${before}[]`)
  return Object.entries(shapeOf(plain) ?? {}).flatMap(([key, value]) => {
    const name = before === '' ? key : `${before}.${key}`
    return [name, ...allKeys(value, name)]
  })
}

function reached(schema: core.$ZodType, path: readonly PropertyKey[]): core.$ZodType | undefined {
  let at: core.$ZodType | undefined = schema
  for (const part of path) {
    const plain: core.$ZodType | undefined = at && bare(at)
    at =
      plain?._zod.def.type === 'array'
        ? (plain as core.$ZodArray)._zod.def.element
        : shapeOf(plain)?.[String(part)]
  }
  return at
}

function shapeOf(schema: core.$ZodType | undefined): Readonly<Record<string, core.$ZodType>> | undefined {
  const plain = schema && bare(schema)
  return plain?._zod.def.type === 'object' ? (plain as core.$ZodObject)._zod.def.shape : undefined
}

/** A schema without what is around it: optional, nullable, what is done with its values. */
function bare(schema: core.$ZodType): core.$ZodType {
  switch (schema._zod.def.type) {
    case 'optional':
    case 'nullable':
      return bare((schema as core.$ZodOptional | core.$ZodNullable)._zod.def.innerType)
    case 'pipe':
      return bare((schema as core.$ZodPipe)._zod.def.in)
    default:
      return schema
  }
}
